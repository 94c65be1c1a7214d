package cli

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version of this command", Args: arguments(0, 0)}
	f := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		v := struct {
			Version string `json:"version"`
			Go      string `json:"go"`
		}{first(a.Version, "unknown"), runtime.Version()}
		return a.print(*f, view{value: v, names: []string{v.Version}, table: func(w io.Writer) {
			fmt.Fprintf(w, "tokenry %s (%s)\n", v.Version, v.Go)
		}})
	}
	return cmd
}
