package localpg

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	shortLife  = 2 * time.Second        // a server that dies younger never worked
	maxShort   = 15                     // so many in a row, and it is given up
	restartGap = 100 * time.Millisecond // between two tries
	stopTime   = 10 * time.Second       // for a fast shutdown; then it is immediate
)

// child is the server process, started again whenever it dies.
type child struct {
	home home
	args []string
	said *tail
	end  chan struct{} // closed by stop
	once sync.Once
	done chan struct{} // closed when no process is left

	mu     sync.Mutex
	cmd    *exec.Cmd // nil = none is running
	failed error     // given up
}

func newChild(h home, postgres string, cfg Config) *child {
	c := &child{home: h, said: &tail{to: cfg.Log}, end: make(chan struct{}), done: make(chan struct{})}
	c.args = []string{postgres, "-D", h.data, "-k", h.socket, "-p", "5432"}
	settings := []string{
		"listen_addresses=",               // the socket alone
		"unix_socket_permissions=0700",    // for its user alone
		"dynamic_shared_memory_type=mmap", // /dev/shm is tiny in containers
		"max_connections=300",
		"timezone=UTC", "log_timezone=UTC",
	}
	if !cfg.Sync {
		settings = append(settings, "fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0", "autovacuum=off")
	}
	for _, s := range settings {
		c.args = append(c.args, "-c", s)
	}
	go onOwnThread(c.run)
	return c
}

// run keeps the server alive until stop, or until it is hopeless.
func (c *child) run() {
	defer close(c.done)
	for short := 0; ; {
		born := time.Now()
		err := c.one()
		select {
		case <-c.end:
			return
		default:
		}
		if short++; time.Since(born) > shortLife {
			short = 0
		}
		if short == maxShort || c.home.running() { // another process has it now
			c.mu.Lock()
			c.failed = fmt.Errorf("postgres does not stay alive (%w): %s", err, c.said)
			c.mu.Unlock()
			return
		}
		select {
		case <-c.end:
			return
		case <-time.After(restartGap):
		}
	}
}

// one runs one process to its end.
func (c *child) one() error {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Stdout, cmd.Stderr = c.said, c.said
	cmd.WaitDelay = time.Second // orphans of a killed server hold the pipe
	// SIGINT is a fast shutdown: also after kill -9 of ours the cluster is clean.
	c.home.harness(cmd, syscall.SIGINT)
	c.mu.Lock()
	select {
	case <-c.end: // stopped before it began
		c.mu.Unlock()
		return nil
	default:
	}
	err := cmd.Start()
	if err == nil {
		c.cmd = cmd
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	err = cmd.Wait()
	c.mu.Lock()
	c.cmd = nil
	c.mu.Unlock()
	if err == nil {
		return fmt.Errorf("it ended by itself")
	}
	return err
}

// gaveUp returns why there is no server any more, or nil.
func (c *child) gaveUp() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// stop ends the server and waits.
func (c *child) stop() {
	c.once.Do(func() { close(c.end) })
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		c.signal(sig)
		select {
		case <-c.done:
			return
		case <-time.After(stopTime):
		}
	}
	<-c.done
}

func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd != nil {
		_ = c.cmd.Process.Signal(sig) // it may have ended just now
	}
}

// tail passes on what the server says and keeps the end of it.
type tail struct {
	mu  sync.Mutex
	to  io.Writer
	end []byte
}

const tailSize = 2048

// Write never fails: the server must not suffer from a broken log.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if n := len(t.end) - tailSize; n > 0 {
		t.end = append([]byte(nil), t.end[n:]...)
	}
	_, _ = t.to.Write(p)
	return len(p), nil
}

// String returns the last words.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}
