package localpg

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// home is the directory of a server:
//
//	lock      held while somebody makes or starts the cluster
//	password  of the superuser; 0600
//	data/     the cluster; owned by the server's user
//	socket/   the unix socket; owned by the server's user
//
// Root keeps the directory itself, so that the server's user cannot put links
// where root writes.
type home struct {
	dir, data, socket string
	uid, gid          int // of the server; PostgreSQL refuses to run as root
}

// maxSocketDir leaves room for "/.s.PGSQL.5432.lock" in sun_path (104 on macOS).
const maxSocketDir = 80

// nobody is the user of the server where there is none called postgres.
const nobody = 65534

// prepare makes the directory and checks it. What lies in it is made under its
// lock.
func prepare(dir string) (home, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return home{}, err
	}
	h := home{dir: dir, data: filepath.Join(dir, "data"), uid: os.Geteuid(), gid: os.Getegid()}
	if h.uid == 0 {
		h.uid, h.gid = serverUser()
	}
	if err := h.empty(); err != nil {
		return home{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return home{}, err
	}
	mode := fs.FileMode(0o700)
	if h.foreign() {
		mode = 0o711
	}
	if err := os.Chmod(dir, mode); err != nil {
		return home{}, err
	}
	return h, h.traversable()
}

// foreign says that the server runs as another user than we do.
func (h home) foreign() bool { return h.uid != os.Geteuid() }

func serverUser() (uid, gid int) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nobody, nobody
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil || uid == 0 {
		return nobody, nobody
	}
	return uid, gid
}

// empty refuses a directory that holds something that is not ours: a slip in a
// flag must not change the mode of somebody's home.
func (h home) empty() error {
	entries, err := os.ReadDir(h.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil || len(entries) == 0 {
		return err
	}
	if _, err := os.Stat(filepath.Join(h.dir, "lock")); err != nil {
		return fmt.Errorf("%s is not empty and holds no private PostgreSQL: name another directory", h.dir)
	}
	return nil
}

// traversable finds the directory that stops the server's user on the way.
func (h home) traversable() error {
	if !h.foreign() {
		return nil
	}
	for dir := h.dir; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		need := fs.FileMode(0o001)
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == h.uid {
			need = 0o100
		} else if ok && int(st.Gid) == h.gid {
			need = 0o010
		}
		if info.Mode().Perm()&need == 0 {
			return fmt.Errorf("the server runs as user %d, who may not pass through %s: choose a place that everybody may pass through, such as /var/lib/tokenry",
				h.uid, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// socketDir makes the directory of the socket: inside the home, or in the
// temporary directory when the path would be too long for a socket address.
func (h home) socketDir() (string, error) {
	dir := filepath.Join(h.dir, "socket")
	if len(dir) > maxSocketDir {
		sum := sha256.Sum256([]byte(h.dir))
		dir = fmt.Sprintf("/tmp/tokenry-%d-%s", h.uid, hex.EncodeToString(sum[:6]))
	}
	if err := h.own(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// own makes dir, for the server's user alone. What is there already must be so:
// in /tmp somebody else may have been faster.
func (h home) own(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil && h.foreign() {
		return os.Lchown(dir, h.uid, h.gid)
	}
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ok || int(st.Uid) != h.uid {
		return fmt.Errorf("%s is not a directory of user %d alone: remove it", dir, h.uid)
	}
	return nil
}

// lock waits until no other process makes or starts the cluster.
func (h home) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(h.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		// The kernel gives it back when we die, however we die.
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another process that starts the server in %s: %w", h.dir, ctx.Err())
		case <-time.After(readyEvery):
		}
	}
}

// cluster makes the cluster if there is none and returns its password.
func (h home) cluster(ctx context.Context, bin string) (password string, err error) {
	keep := filepath.Join(h.dir, "password")
	if _, err := os.Stat(h.data); err == nil {
		text, err := os.ReadFile(keep)
		return string(text), err
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	password = rand.Text()
	if err := os.WriteFile(keep, []byte(password), 0o600); err != nil {
		return "", err
	}
	// Made beside and then renamed: whoever is killed here leaves no half a
	// cluster behind.
	fresh := h.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return "", err
	}
	if err := h.own(fresh); err != nil {
		return "", err
	}
	if err := h.initdb(ctx, bin, fresh, password); err != nil {
		return "", err
	}
	return password, os.Rename(fresh, h.data)
}

// initdb makes a cluster in dir.
func (h home) initdb(ctx context.Context, bin, dir, password string) error {
	pwfile := filepath.Join(h.dir, "pwfile")
	if err := os.WriteFile(pwfile, []byte(password), 0o600); err != nil {
		return err
	}
	defer os.Remove(pwfile)
	if h.foreign() {
		if err := os.Lchown(pwfile, h.uid, h.gid); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", dir, "-U", superuser,
		"-A", "scram-sha-256", "--pwfile", pwfile, "-N", "--no-locale", "-E", "UTF8")
	h.harness(cmd, syscall.SIGKILL)
	var out []byte
	var err error
	onOwnThread(func() { out, err = cmd.CombinedOutput() })
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// harness lets cmd run as the server's user, in its own process group so that a
// ^C in the terminal does not reach it, and end by sig when we die.
func (h home) harness(cmd *exec.Cmd, sig syscall.Signal) {
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"} // no PG* of ours
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithUs(cmd.SysProcAttr, sig)
	if h.foreign() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(h.uid), Gid: uint32(h.gid)}
	}
}

// onOwnThread runs f on a thread that nothing else uses or ends. A child's
// death signal comes when the thread that started it dies, not the process.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
	}()
	<-done
}

// pidFile returns the first line of postmaster.pid; 0 = there is none.
func (h home) pidFile() int {
	text, err := os.ReadFile(filepath.Join(h.data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

// running says that a server of this directory is alive.
func (h home) running() bool {
	pid := h.pidFile()
	return pid != 0 && alive(pid) && h.serves(pid)
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// serves says whether process pid is the server of this directory. After a
// restart of a container the number often belongs to something else.
func (h home) serves(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return true // no /proc here: believe the file
	}
	return bytes.Contains(cmdline, []byte(h.data))
}

// unblock removes a postmaster.pid whose number now belongs to another program:
// PostgreSQL would refuse to start. One whose process is dead stays, because
// PostgreSQL finds orphans of the old server by it.
func (h home) unblock() error {
	if pid := h.pidFile(); pid == 0 || !alive(pid) {
		return nil
	}
	return os.Remove(filepath.Join(h.data, "postmaster.pid"))
}
