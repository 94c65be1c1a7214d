package manifest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Load reads a file, a directory, or stdin when path is "-".
//
// Of a directory it reads every *.yaml and *.yml in the order of their names,
// but not those that begin with a dot, which editors and Kubernetes keep for
// themselves. Directories inside it are left alone: what lies deeper is often
// for another server, and is named on the command line by whoever wants it. A
// directory without such files is an error, because `apply --prune` would take
// a mistyped one for the wish to delete.
//
// An error is an *Error, with the problems of all files, or something could not
// be read.
func Load(path string, stdin io.Reader) ([]Document, error) {
	if path == "-" {
		return Parse("stdin", stdin)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = yamlFiles(path); err != nil {
			return nil, err
		}
	}
	var all stream
	for _, file := range files {
		s, err := open(file)
		if err != nil {
			return nil, err
		}
		all.docs, all.problems = append(all.docs, s.docs...), append(all.problems, s.problems...)
	}
	return all.result()
}

func open(file string) (*stream, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(file, f)
}

// yamlFiles lists the files of a directory that Load reads.
func yamlFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		name := e.Name()
		if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" || strings.HasPrefix(name, ".") {
			continue
		}
		file := filepath.Join(dir, name)
		info, err := os.Stat(file) // through links, which is how Kubernetes mounts files
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no *.yaml and no *.yml in it; directories inside it are not read", dir)
	}
	return files, nil
}
