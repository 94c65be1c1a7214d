package localpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// errNoPrograms is shown to people as it is.
var errNoPrograms = errors.New("found no programs of PostgreSQL (postgres, initdb): run `make dev`, or install them with `apt-get install postgresql`, or set database.url")

// programs is one place where PostgreSQL is installed.
type programs struct {
	bin   string
	major int
}

// Find returns the directory of PostgreSQL's programs and their major version:
// that of $PG_BIN if it is set, else of the `postgres` on PATH, else the newest
// in the places where packages put them.
func Find() (bin string, version int, err error) {
	all := installed()
	if len(all) == 0 {
		return "", 0, errNoPrograms
	}
	return all[0].bin, all[0].major, nil
}

// installed returns all places, best first. $PG_BIN admits no other.
func installed() []programs {
	if bin := os.Getenv("PG_BIN"); bin != "" {
		return usable([]string{bin})
	}
	var onPath []string
	if p, err := exec.LookPath("postgres"); err == nil {
		// A link on PATH may stand alone: initdb is beside what it leads to.
		if p, err = filepath.EvalSymlinks(p); err == nil {
			onPath = append(onPath, filepath.Dir(p))
		}
	}
	var usual []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",         // Debian
		"/usr/pgsql-*/bin",                  // PGDG on Red Hat
		"/opt/homebrew/opt/postgresql*/bin", // macOS
		"/usr/local/opt/postgresql*/bin",    // macOS on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern) // fails for a bad pattern only
		usual = append(usual, found...)
	}
	newest := usable(usual)
	slices.SortStableFunc(newest, func(a, b programs) int { return b.major - a.major })
	return append(usable(onPath), newest...)
}

// usable returns those of bins that hold both programs.
func usable(bins []string) []programs {
	var all []programs
	for _, bin := range bins {
		if _, err := exec.LookPath(filepath.Join(bin, "initdb")); err != nil {
			continue
		}
		if major, err := majorOf(filepath.Join(bin, "postgres")); err == nil {
			all = append(all, programs{bin, major})
		}
	}
	return all
}

// majorOf asks a server program for its version: "postgres (PostgreSQL) 15.18".
func majorOf(postgres string) (int, error) {
	out, err := exec.Command(postgres, "--version").Output()
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`\(PostgreSQL\) (\d+)`).FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("%s does not tell its version", postgres)
	}
	return strconv.Atoi(string(m[1]))
}

// programs chooses the programs for the cluster in h: those of its own major
// version, because no other can read it. Without a cluster, the best ones.
func (h home) programs() (bin string, err error) {
	all := installed()
	if len(all) == 0 {
		return "", errNoPrograms
	}
	text, err := os.ReadFile(filepath.Join(h.data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return all[0].bin, nil
	}
	if err != nil {
		return "", err
	}
	version := strings.TrimSpace(string(text))
	for _, p := range all {
		if strconv.Itoa(p.major) == version {
			return p.bin, nil
		}
	}
	return "", fmt.Errorf("the data in %s were made by PostgreSQL %s, but %s holds PostgreSQL %d: install version %s, or move %s away to begin anew",
		h.dir, version, all[0].bin, all[0].major, version, h.dir)
}
