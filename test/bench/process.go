//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Cost is what a finished process took.
type Cost struct {
	Wall, CPU time.Duration
	PeakKiB   int64 // largest resident set
}

// endsWithUs has the kernel end a process when this one ends, however that comes about.
var endsWithUs = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

// run runs a command to its end, bounded in time, and returns its cost and its
// standard output.
func run(ctx context.Context, limit time.Duration, name string, args ...string) (Cost, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = endsWithUs
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	c := Cost{Wall: time.Since(start)}
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w: %s", name, err, lastLines(stderr.String(), 5))
	}
	c.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.PeakKiB = u.Maxrss
	}
	return c, stdout.Bytes(), nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

// Line is a line that a server wrote, with the moment at which it came.
type Line struct {
	At   time.Time
	Text string
	Next int // mark behind it
}

// Server is a running server process.
type Server struct {
	Started time.Time
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process has ended

	mu    sync.Mutex
	lines []Line
	news  chan struct{} // closed and renewed at each line
}

// Spec says how a server is started.
type Spec struct {
	Binary   string
	Corefile string // text
	Dir      string // where it runs; holds its Corefile
	CPU      string // cores as taskset writes them; "" is all
	Procs    int    // GOMAXPROCS; 0 is Go's own choice
}

// Start starts a server. Stop must be called.
func (s Spec) Start() (*Server, error) {
	file := s.Dir + "/Corefile"
	if err := os.WriteFile(file, []byte(s.Corefile), 0o600); err != nil {
		return nil, err
	}
	args := []string{s.Binary, "-conf", file}
	if s.CPU != "" {
		args = append([]string{"taskset", "-c", s.CPU}, args...)
	}
	srv := &Server{cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{}), news: make(chan struct{})}
	srv.cmd.Dir = s.Dir
	srv.cmd.SysProcAttr = endsWithUs
	srv.cmd.Env = os.Environ()
	if s.Procs > 0 {
		srv.cmd.Env = append(srv.cmd.Env, "GOMAXPROCS="+strconv.Itoa(s.Procs))
	}
	out, err := srv.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	srv.cmd.Stderr = srv.cmd.Stdout
	srv.Started = time.Now()
	if err := srv.cmd.Start(); err != nil {
		return nil, err
	}
	go srv.read(out)
	return srv, nil
}

// read keeps what the server writes until it ends.
func (s *Server) read(out io.Reader) {
	in := bufio.NewScanner(out)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		s.mu.Lock()
		s.lines = append(s.lines, Line{time.Now(), in.Text(), len(s.lines) + 1})
		close(s.news)
		s.news = make(chan struct{})
		s.mu.Unlock()
	}
	s.cmd.Wait()
	close(s.ended)
}

// PID returns the process number.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Mark returns a position in the output: Await looks only behind it.
func (s *Server) Mark() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// Await waits for a line behind a mark that holds all the words.
func (s *Server) Await(limit time.Duration, mark int, words ...string) (Line, error) {
	timeout := time.After(limit)
	for {
		s.mu.Lock()
		for ; mark < len(s.lines); mark++ {
			if containsAll(s.lines[mark].Text, words) {
				l := s.lines[mark]
				s.mu.Unlock()
				return l, nil
			}
		}
		news := s.news
		s.mu.Unlock()
		select {
		case <-news:
		case <-s.ended:
			return Line{}, fmt.Errorf("server ended before it wrote %q: %s", words, s.tail())
		case <-timeout:
			return Line{}, fmt.Errorf("no line with %q within %s: %s", words, limit, s.tail())
		}
	}
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (s *Server) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, l := range s.lines[max(0, len(s.lines)-5):] {
		b.WriteString(l.Text + "; ")
	}
	return b.String()
}

// Stop ends the process, gently first, and removes its directory.
func (s *Server) Stop() {
	defer os.RemoveAll(s.cmd.Dir)
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		s.cmd.Process.Kill()
		<-s.ended
	}
}

// CPU returns the processor time that the process has taken so far.
func (s *Server) CPU() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
	if err != nil {
		return 0, err
	}
	return parseStat(string(b))
}

// tick is the unit of times in /proc/PID/stat (USER_HZ).
const tick = 10 * time.Millisecond

// parseStat takes user and system time from a line of /proc/PID/stat.
func parseStat(line string) (time.Duration, error) {
	// The command stands in parentheses and may hold some itself.
	fields := strings.Fields(line[strings.LastIndex(line, ")")+1:])
	if len(fields) < 13 {
		return 0, errors.New("/proc/PID/stat: unexpected form")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// Resident returns the proportional set size and the peak of the resident set.
func (s *Server) Resident() (pssKiB, peakKiB int64, err error) {
	rollup, err1 := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.PID()))
	status, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, err
	}
	return kibibytes(rollup, "Pss:"), kibibytes(status, "VmHWM:"), nil
}

// kibibytes returns the value of a line such as "VmHWM:   1234 kB".
func kibibytes(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}
