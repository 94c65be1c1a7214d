package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/cli"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/cli/manifest"
	"github.com/tokenry/tokenry/demo"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/storage/localpg"
)

// demoAddress is where the demo's provider is the first time.
const demoAddress = "127.0.0.1:8082"

// Dev is `tokenry dev`: everything on this machine. environ is read for the
// settings of the server, version is shown by it. It calls ready once when all
// of it runs, and returns when ctx ends.
func Dev(ctx context.Context, o cli.DevOptions, environ []string, version string, ready func(cli.DevInfo)) (err error) {
	d := &dev{DevOptions: o, environ: environ, version: version}
	defer func() { err = errors.Join(err, d.close()) }()
	for _, step := range []func(context.Context) error{d.home, d.listen, d.database, d.server, d.world, d.apply} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				return nil // ^C while starting
			}
			return err
		}
	}
	ready(d.info)
	return d.running.Wait(ctx)
}

// dev is one run. What is open is closed in the reverse order.
type dev struct {
	cli.DevOptions
	environ []string
	version string
	info    cli.DevInfo

	public, admin, provider net.Listener
	config                  config.Config
	secrets                 string // directory of what only we read
	token                   string
	running                 *Server
	closers                 []func() error
}

func (d *dev) onClose(f func() error) { d.closers = append(d.closers, f) }

func (d *dev) close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	return errors.Join(errs...)
}

// timed tells the user of a step that has been done.
func (d *dev) timed(name string, start time.Time, format string, args ...any) {
	if d.Step != nil {
		d.Step(name, fmt.Sprintf(format, args...), time.Since(start))
	}
}

// home makes the data directory and takes its lock: two of us on one directory
// would overwrite each other's admin token.
func (d *dev) home(context.Context) error {
	dir := d.DataDir
	if dir == "" {
		var err error
		if dir, err = localpg.DataDir("tokenry"); err != nil {
			return err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	d.info.DataDir, d.secrets = dir, filepath.Join(dir, "dev")
	// Others may pass: the database's user must reach its own directory below.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := os.MkdirAll(d.secrets, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(d.secrets, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	d.onClose(lock.Close)
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("tokenry dev runs already on %s; stop it, or give this one another place and addresses: --data-dir, --listen, --admin-listen, --demo-listen", dir)
	}
	return nil
}

// listen takes all three addresses before anything slow is started.
func (d *dev) listen(context.Context) error {
	var err error
	if d.public, err = d.take(d.Listen, "--listen"); err != nil {
		return err
	}
	if d.admin, err = d.take(d.AdminListen, "--admin-listen"); err != nil {
		return err
	}
	return d.listenDemo()
}

func (d *dev) take(addr, flag string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if ip, perr := netip.ParseAddr(host); err != nil || (host != "localhost" && (perr != nil || !ip.IsLoopback())) {
		return nil, fmt.Errorf("%s %s: dev listens on loopback alone; write 127.0.0.1:PORT", flag, addr)
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use; is tokenry dev running already? else choose another: %s 127.0.0.1:PORT", addr, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	d.onClose(func() error { // the server closes it first
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// listenDemo puts the demo's provider where it was last time: its address is
// part of its `iss`, and an issuer's name belongs for ever to one `iss`.
func (d *dev) listenDemo() error {
	file := filepath.Join(d.secrets, "demo_address")
	known := ""
	if text, err := os.ReadFile(file); err == nil {
		known = strings.TrimSpace(string(text))
	}
	addr := d.DemoListen
	switch {
	case addr == "" && known != "":
		addr = known
	case addr == "":
		addr = demoAddress
	case known != "" && addr != known:
		return fmt.Errorf("--demo-listen %s: the demo of this data directory is at %s, and its issuers belong to that address; leave the flag out, or begin anew with another --data-dir", addr, known)
	}
	var err error
	if d.provider, err = d.take(addr, "--demo-listen"); err != nil {
		return err
	}
	if known == "" {
		return os.WriteFile(file, []byte(d.provider.Addr().String()+"\n"), 0o600)
	}
	return nil
}

// database starts the private PostgreSQL unless the environment names another.
func (d *dev) database(ctx context.Context) error {
	d.info.Issuer = "http://" + d.public.Addr().String()
	c, err := config.Load("", d.environ, map[string]string{
		"issuer": d.info.Issuer, "public.listen": d.public.Addr().String(), "admin.listen": d.admin.Addr().String(),
		"telemetry.listen": "", "trust.allow_http": "true", "trust.allow_networks": "127.0.0.0/8,::1/128",
	})
	if err != nil {
		return err
	}
	d.config = c
	if c.Database.URL != "" {
		return nil
	}
	start := time.Now()
	dir := filepath.Join(d.info.DataDir, "postgres")
	pg, err := localpg.Start(ctx, localpg.Config{Dir: dir, Sync: true})
	if err != nil {
		return err
	}
	d.onClose(func() error { pg.Stop(); return nil })
	d.config.Database.URL = pg.URL("tokenry")
	d.timed("PostgreSQL", start, "private, in %s", dir)
	return nil
}

// server starts the server with a new admin token.
func (d *dev) server(ctx context.Context) error {
	start := time.Now()
	kek, err := d.kek()
	if err != nil {
		return err
	}
	d.token = rand.Text()
	d.info.AdminToken, d.info.TokenFile = d.token, filepath.Join(d.secrets, "admin_token")
	if err := os.WriteFile(d.info.TokenFile, []byte(d.token+"\n"), 0o600); err != nil {
		return err
	}
	s, err := Start(ctx, Config{
		Config: d.config, Version: d.version, KEK: kek, BootstrapToken: d.token, Log: d.Log, Public: d.public, Admin: d.admin,
	})
	if err != nil {
		return err
	}
	d.running = s
	d.onClose(func() error { return s.Close(context.Background()) })
	d.info.PublicURL, d.info.AdminURL = s.PublicURL, s.AdminURL
	d.timed("server", start, "schema migrated, signing key ready, %s", d.info.Issuer)
	return nil
}

// kek reads the key-encryption key of the data directory or makes one.
func (d *dev) kek() ([]byte, error) {
	file := filepath.Join(d.secrets, "kek")
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		data = keys.NewKEK()
		// Written beside and renamed: half a key would stop every later start.
		if err = os.WriteFile(file+".new", data, 0o600); err == nil {
			err = os.Rename(file+".new", file)
		}
	}
	if err != nil {
		return nil, err
	}
	return keys.ParseKEK(data)
}

// world starts the demo's provider and platform.
func (d *dev) world(context.Context) error {
	start := time.Now()
	d.info.DemoURL = "http://" + d.provider.Addr().String()
	w, err := demo.New(demo.Config{URL: d.info.DemoURL, Audience: d.info.Issuer, Dir: d.secrets})
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: w.Handler(), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(d.provider) // ends with Close
	}()
	d.onClose(func() error {
		err := srv.Close()
		<-done
		return err
	})
	d.timed("demo", start, "OpenID provider and cluster, %s", d.info.DemoURL)
	return nil
}

// apply brings the demo's resources into force, through the admin API like
// anybody.
func (d *dev) apply(ctx context.Context) error {
	start := time.Now()
	docs, err := manifest.Parse("demo/resources.yaml", strings.NewReader(string(demo.Manifest(d.info.DemoURL))))
	if err != nil {
		return err
	}
	var request api.ApplyRequest
	for i := range docs {
		request.Objects = append(request.Objects, docs[i].Object())
	}
	client, err := api.New(api.Config{URL: d.info.AdminURL, Token: d.token})
	if err != nil {
		return err
	}
	result, err := client.Apply(ctx, request)
	if err != nil {
		return fmt.Errorf("applying the demo's resources: %w", err)
	}
	count := map[api.Outcome]int{}
	for _, r := range result.Results {
		count[r.Outcome]++
	}
	d.timed("resources", start, "%d created, %d configured, %d unchanged", count[api.Created], count[api.Configured], count[api.Unchanged])
	return nil
}
