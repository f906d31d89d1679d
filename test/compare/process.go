//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a server that runs in the foreground.
type process struct{ cmd *exec.Cmd }

// start starts a server; what it writes goes to the file "log" beside it.
func (p *process) start(dir, name string, args ...string) error {
	out, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer out.Close()
	p.cmd = exec.Command(name, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return p.cmd.Start()
}

// Last returns what the server wrote last.
func (p *process) Last() string {
	if p.cmd == nil {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(p.cmd.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// Stop ends the server.
func (p *process) Stop() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	end := time.AfterFunc(10*time.Second, func() { p.cmd.Process.Kill() })
	p.cmd.Wait()
	end.Stop()
}

// run runs a command to its end.
func run(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// freePort returns a port that is free for UDP and TCP.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	conn, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	return port, conn.Close()
}

// writeZones writes a zone of forty names for each kind, unsigned, so that one
// sees signatures move.
func writeZones(dir string) error {
	for _, k := range kinds {
		var b strings.Builder
		fmt.Fprintf(&b, "$ORIGIN %s\n$TTL %d\n@ IN SOA ns hostmaster 1 7200 3600 500 %[2]d\n@ IN NS ns\nns IN A 192.0.2.1\n", origin(k), zoneTTL)
		for n := range 40 {
			fmt.Fprintf(&b, "host%d IN A 192.0.2.%d\n", n, n+10)
		}
		if err := os.WriteFile(filepath.Join(dir, "db."+k), []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
