package cli

import (
	"io"
	"os"
	"strings"
	"unicode"
)

// maxInput bounds what is read as one token, secret or answer.
const maxInput = 1 << 20

// input reads a token or secret from a file, or from stdin when path is "-".
// They never come as arguments, which every user of the machine can see.
func (a *app) input(path string) (string, error) {
	name, r := path, io.Reader(nil)
	if path == "-" {
		stdin, err := a.stdin()
		if err != nil {
			return "", err
		}
		name, r = "stdin", stdin
	} else {
		f, err := os.Open(path)
		if err != nil {
			return "", usage("%v", err)
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	text := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", usage("read %s: %v", name, err)
	case len(data) > maxInput:
		return "", usage("%s is longer than any token", name)
	case text == "":
		return "", usage("%s is empty", name)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		// Sent as it is, it would be refused with a reason that leads nowhere.
		return "", usage("%s holds more than one token or secret", name)
	}
	return text, nil
}

// stdin hands stdin out once: the second reader would find nothing in it.
func (a *app) stdin() (io.Reader, error) {
	if a.stdinTaken {
		return nil, usage("stdin (-) can be read only once; give the others as files")
	}
	a.stdinTaken = true
	return a.Stdin, nil
}

// fileArg is FILE, or - for stdin, or nothing for stdin too. A token itself
// is recognised, so that the answer can say why it does not belong there.
func fileArg(args []string) (string, error) {
	if len(args) == 0 {
		return "-", nil
	}
	if strings.HasPrefix(args[0], "eyJ") && strings.Count(args[0], ".") == 2 {
		return "", usage("tokens are not taken as arguments, which other users of this machine can see; use a file or stdin")
	}
	return args[0], nil
}
