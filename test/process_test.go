package test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that should come at once.
// It is generous, since both cores may be busy with other tests.
const patience = 60 * time.Second

// built is a folder for what all tests share; TestMain removes it.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "autosign-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Debian keeps servers where other users' paths do not lead.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// buildFlags are the flags that cmd/coredns is built with.
var buildFlags []string

// coredns builds the server once; every test runs the same binary.
var coredns = sync.OnceValues(func() (string, error) {
	file := filepath.Join(built, "coredns")
	args := slices.Concat([]string{"build", "-o", file}, buildFlags, []string{"../cmd/coredns"})
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building cmd/coredns: %w\n%s", err, out)
	}
	return file, nil
})

// tool returns the path of an outside program. One that is missing is a
// failure: a test that does not run proves nothing.
func tool(t *testing.T, name string) string {
	t.Helper()
	file, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; `make tools` installs it", err)
	}
	return file
}

// output runs a program to its end and returns what it wrote, and whether it
// ended well.
func output(t *testing.T, dir, name string, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool(t, name), args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s %q did not end: %v\n%s", name, args, ctx.Err(), out)
	}
	return string(out), err == nil
}

// process is a program that runs beside a test.
type process struct {
	name string
	log  string // file with all that it wrote
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// spawn starts a program that is killed when the test ends.
func spawn(t *testing.T, dir, name string, args ...string) *process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), filepath.Base(name)+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &process{name: filepath.Base(name), log: log.Name(), done: make(chan struct{})}
	p.cmd = exec.Command(name, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // NSD has children
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if fault := p.fault(); fault != "" {
			t.Errorf("%s has a fault:\n%s", p.name, fault)
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", p.name, p.wrote())
		}
	})
	return p
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *process) kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// ended waits until the process ends by itself.
func (p *process) ended(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s did not end; it wrote:\n%s", p.name, p.wrote())
	}
}

// wrote returns the end of what the process wrote.
func (p *process) wrote() string {
	text, _ := os.ReadFile(p.log)
	const most = 6000
	if len(text) > most {
		text = append([]byte("... "), text[len(text)-most:]...)
	}
	return string(text)
}

// has reports whether the process wrote a text.
func (p *process) has(text string) bool {
	all, _ := os.ReadFile(p.log)
	return bytes.Contains(all, []byte(text))
}

// fault is the first report of the race detector or of a panic that the
// process wrote, or "".
func (p *process) fault() string {
	all, _ := os.ReadFile(p.log)
	at := faultBegins.FindIndex(all)
	if at == nil {
		return ""
	}
	const most = 12000
	return string(all[at[0]:min(len(all), at[0]+most)])
}

// faultBegins finds where such a report begins.
var faultBegins = regexp.MustCompile(`WARNING: DATA RACE|(?m)^(panic|fatal error): |\[PANIC\]|[Rr]ecovered`)

// until looks again and again until check returns "", or fails with the last
// thing that check said.
func until(t *testing.T, what string, check func() string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		last := check()
		if last == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %v: %s", what, patience, last)
		}
	}
}

var lastPort atomic.Int32

// freePort returns a port of 127.0.0.1 that is free for UDP and TCP. Ports
// are handed out once, below the range that the system takes for clients.
func freePort(t *testing.T) int {
	t.Helper()
	lastPort.CompareAndSwap(0, int32(10000+os.Getpid()*61%10000))
	for range 2000 {
		port := int(lastPort.Add(1))
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		u, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		u.Close()
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no free port on 127.0.0.1")
	return 0
}

// write puts files into a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		// Renamed into place, so that nobody reads half a file.
		if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
}
