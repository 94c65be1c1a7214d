package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/authtest"
)

// page is one page of docs/how-to that is followed step by step, as a reader
// does it: every block is a step, and all of them work on one folder.
//
//   - yaml and json with a name in its first line is written into that file.
//   - sh is run by bash, with the real program and the real curl.
//   - console is run by bash too, where kubectl, spire-server and spire-agent are
//     stand-ins that speak for the parties of the test kit.
//   - text and json show what the step before has printed; "…" stands for
//     anything.
//
// Hosts and paths of the page are those of the test after replace.
type page struct {
	as      *authtest.Server
	dir     string
	replace []string // pairs
	env     []string

	tools    map[string]func(t *testing.T, args []string) string // stand-ins by the beginning of their command line
	wrote    map[string]func(t *testing.T, text string)          // what happens when a file is there
	mistakes map[string]func(t *testing.T) string                // the table "What goes wrong": first cell -> token
	end      func(t *testing.T)                                  // what must hold after the last step; may be nil

	out string // of the step before
}

// newPage gives the reader a folder, and a server that is empty.
func newPage(t *testing.T, o authtest.Options) *page {
	t.Helper()
	o.Empty = true
	as := authtest.StartWith(t, o)
	dir := t.TempDir()
	p := &page{
		as: as, dir: dir, replace: []string{"https://sts.example.com", as.Issuer},
		tools: map[string]func(*testing.T, []string) string{}, wrote: map[string]func(*testing.T, string){},
	}
	admin := filepath.Join(dir, ".admin_token")
	write(t, admin, as.AdminToken+"\n")
	p.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8",
		"TOKENRY_SERVER=" + as.AdminURL, "TOKENRY_TOKEN_FILE=" + admin, toolsVariable + "=" + p.serveTools(t),
	}
	return p
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestHowTo follows the pages of docs/how-to.
func TestHowTo(t *testing.T) {
	t.Parallel()
	pages := map[string]func(*testing.T) *page{
		"github-actions": gitHubPage, "kubernetes": kubernetesPage, "oidc-provider": providerPage, "spire": spirePage,
	}
	files, err := filepath.Glob("../../docs/how-to/*.md")
	if err != nil || len(files) != len(pages)+1 { // and README.md
		t.Fatalf("%d pages (%v), and %d are followed", len(files)-1, err, len(pages))
	}
	for name, start := range pages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../../docs/how-to/" + name + ".md")
			if err != nil {
				t.Fatal(err)
			}
			p := start(t)
			p.follow(t, strings.NewReplacer(p.replace...).Replace(string(text)))
		})
	}
}

var fence = regexp.MustCompile("(?ms)^```([a-z-]*)\n(.*?)^```$")

// follow takes the steps in their order.
func (p *page) follow(t *testing.T, text string) {
	t.Helper()
	if n := strings.Count(text, "\n"); n > 260 {
		t.Errorf("%d lines; nobody reads that", n)
	}
	steps := 0
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		kind, body := m[1], m[2]
		file, isFile := fileOf(body)
		switch {
		case kind == "yaml" && isFile:
			write(t, filepath.Join(p.dir, file), body)
			if then := p.wrote[file]; then != nil {
				delete(p.wrote, file) // first: it may wait for another version of the file
				then(t, body)
			}
		case kind == "sh" || kind == "console":
			p.out = p.bash(t, body)
			steps++
		case kind == "text" || kind == "json":
			shows(t, p.out, body)
		default:
			t.Fatalf("a block of %q that nothing is done with:\n%s", kind, body)
		}
	}
	if steps < 6 || len(p.wrote) > 0 {
		t.Errorf("%d steps; files that did not come: %d", steps, len(p.wrote))
	}
	if p.end != nil {
		p.end(t)
	}
	p.wrong(t, text)
}

// fileOf is the name in the first line of a block: "# release.yaml".
func fileOf(body string) (string, bool) {
	m := regexp.MustCompile(`^# ([\w./-]+\.ya?ml)\n`).FindStringSubmatch(body)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// bash runs a block in the page's folder and returns what it prints. Exported
// variables live on in the blocks that follow, and a line with "# exits 5" must
// end with that code.
func (p *page) bash(t *testing.T, block string) string {
	t.Helper()
	script := "set -euo pipefail\n[ ! -f .exported ] || . ./.exported\n"
	exits := regexp.MustCompile(`^(.*\S)\s+# exits (\d+)$`)
	for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
		line = strings.TrimRight(line, "\n")
		if m := exits.FindStringSubmatch(line); m != nil {
			line = fmt.Sprintf("code=0; { %s; } || code=$?; [ $code = %s ] || { echo exit code $code >&2; exit 99; }", m[1], m[2])
		}
		script += line + "\n"
	}
	script += "export -p > .exported\n"
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.env, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		answer, _ := os.ReadFile(filepath.Join(p.dir, "answer.json")) // where curl may have written
		t.Fatalf("%v in\n%s\nit printed\n%s%s%s", err, block, stdout.String(), stderr.String(), answer)
	}
	return stdout.String()
}

// shows holds what a page shows against what was printed: its lines stand there
// one below the other.
func shows(t *testing.T, printed, shown string) {
	t.Helper()
	pattern := regexp.QuoteMeta(strings.Trim(shown, "\n"))
	pattern = regexp.MustCompile(`(?m)^\s*…\n`).ReplaceAllString(pattern, "(?:.*\n)*?")
	if !regexp.MustCompile("(?m)^" + strings.ReplaceAll(pattern, "…", ".*") + `\s*$`).MatchString(printed) {
		t.Errorf("the page shows\n%s\nbut it printed\n%s", shown, printed)
	}
}

// wrong holds the table of mistakes against what is said of a token with each.
func (p *page) wrong(t *testing.T, text string) {
	t.Helper()
	_, table, found := strings.Cut(text, "\n| mistake | `tokenry issuer test` says |")
	if !found || len(p.mistakes) < 3 {
		t.Fatal("no table of mistakes, or less than three")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	seen := []string{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([^|]+) \\| `([^|]+)` \\|$").FindAllStringSubmatch(table, -1) {
		mint := p.mistakes[row[1]]
		if mint == nil {
			t.Errorf("nobody makes the mistake %q", row[1])
			continue
		}
		seen = append(seen, row[1])
		write(t, filepath.Join(p.dir, "mistake.jwt"), mint(t))
		shows(t, p.bash(t, "tokenry issuer test --token-file mistake.jwt # exits 5\n"), "refused: "+row[2])
	}
	for name := range p.mistakes {
		if !slices.Contains(seen, name) {
			t.Errorf("the table does not have the mistake %q", name)
		}
	}
}

// toolsVariable tells a stand-in where the test listens.
const toolsVariable = "HOWTO_TOOLS"

// standIn is the main function of the programs that stand for those of others:
// it has the test answer. TestMain registers it.
func standIn() {
	args := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	body, err := json.Marshal(args)
	if err == nil {
		var res *http.Response
		if res, err = http.Post(os.Getenv(toolsVariable), "application/json", bytes.NewReader(body)); err == nil {
			var out bytes.Buffer
			_, err = out.ReadFrom(res.Body)
			res.Body.Close()
			if err == nil && res.StatusCode != http.StatusOK {
				err = fmt.Errorf("%s", out.String())
			}
			if err == nil {
				fmt.Print(out.String())
			}
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", strings.Join(args, " "), err)
		os.Exit(1)
	}
}

// serveTools answers the stand-ins.
func (p *page) serveTools(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var args []string
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
			t.Error(err)
		}
		line := strings.Join(args, " ")
		for begin, answer := range p.tools {
			if strings.HasPrefix(line, begin) {
				fmt.Fprint(w, answer(t, args))
				return
			}
		}
		http.Error(w, "nobody stands in for this", http.StatusNotFound)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// option is the value behind a flag of a stand-in's command line.
func option(t *testing.T, args []string, flag string) string {
	t.Helper()
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	t.Errorf("%q has no %s", args, flag)
	return ""
}
