//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// load is a steady stream of questions, sent at a fixed rate whether the
// server keeps up or not: a stall is counted by every question that meets it.
type load struct {
	questions [][]byte // messages; the ID is set when they are sent
	every     time.Duration
}

// newLoad prepares the mixture of questions to a zone.
func newLoad(z Zone, rate int) (*load, error) {
	l := &load{every: time.Second / time.Duration(rate)}
	for n := range 20_000 {
		name, typ := z.Question(Mixed, n)
		m := new(dns.Msg)
		m.SetQuestion(name, dns.StringToType[typ])
		m.SetEdns0(1232, true)
		wire, err := m.Pack()
		if err != nil {
			return nil, err
		}
		l.questions = append(l.questions, wire)
	}
	return l, nil
}

// sample is one answered question.
type sample struct {
	Due     time.Duration // when it was to be sent, since the start
	Latency time.Duration
}

// run asks until length has passed. It never sleeps: the
// thread has a core of its own, and a sleeping thread would measure its own waking.
func (l *load) run(port int, length time.Duration) ([]sample, error) {
	fd, err := dial(port)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	var due [1 << 16]time.Duration // by ID; 0: nothing is due
	samples := make([]sample, 0, int(length/l.every)+1)
	buf := make([]byte, 4096)
	start, sent := time.Now(), 0
	for now := time.Duration(0); now < length+time.Second; now = time.Since(start) {
		next := time.Duration(sent) * l.every
		if next < length && now >= next {
			wire := l.questions[sent%len(l.questions)]
			id := uint16(sent)
			wire[0], wire[1] = byte(id>>8), byte(id)
			due[id] = max(next, 1)
			if _, err := syscall.Write(fd, wire); err != nil && !errors.Is(err, syscall.EAGAIN) {
				return nil, fmt.Errorf("send: %w", err)
			}
			sent++
			continue
		}
		n, err := syscall.Read(fd, buf)
		if err != nil || n < 12 {
			continue
		}
		id := uint16(buf[0])<<8 | uint16(buf[1])
		if at := due[id]; at > 0 {
			samples = append(samples, sample{at, time.Since(start) - at})
			due[id] = 0
		}
	}
	if len(samples) < sent/2 {
		return nil, fmt.Errorf("%d of %d questions without an answer", sent-len(samples), sent)
	}
	for _, at := range due { // what never came took longer than anything that did
		if at > 0 {
			samples = append(samples, sample{at, length + time.Second - at})
		}
	}
	return samples, nil
}

// dial returns a socket connected to the server that never blocks.
func dial(port int) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	addr := &syscall.SockaddrInet4{Port: port, Addr: [4]byte(net.IPv4(127, 0, 0, 1).To4())}
	if err := syscall.Connect(fd, addr); err != nil {
		syscall.Close(fd)
		return 0, err
	}
	return fd, nil
}

// percentile returns the latency that so many of a thousand samples, taken
// between two moments, do not exceed.
func percentile(samples []sample, from, to time.Duration, perMille int) time.Duration {
	var in []time.Duration
	for _, s := range samples {
		if s.Due >= from && s.Due < to {
			in = append(in, s.Latency)
		}
	}
	if len(in) == 0 {
		return 0
	}
	slices.Sort(in)
	return in[min(len(in)-1, len(in)*perMille/1000)]
}

// latency compares the slowest answers of a server at rest with those during
// a full signing of the zone that it serves.
func (b *bench) latency(ctx context.Context, z Zone, d Denial, o signer) error {
	o.File = filepath.Join(b.dir, z.Name+".latency")
	if err := writeEdition(o.File, z, Edition{Serial: 1}); err != nil {
		return err
	}
	srv, err := b.startSigner(ctx, z, d, o)
	if err != nil {
		return err
	}
	defer srv.Stop()
	idle, err := b.underLoad(ctx, z, 5*time.Second)
	if err != nil {
		return err
	}
	quiet := percentile(idle.Samples, time.Second, 5*time.Second, 990)

	// Another TTL is another content of every signature: all are made again.
	mark := srv.Mark()
	if err := writeEdition(o.File, z, Edition{Serial: 1000, TTL: 1800}); err != nil {
		return err
	}
	busy, err := b.underLoad(ctx, z, b.signingWindow)
	if err != nil {
		return err
	}
	loaded, err := srv.Await(time.Second, mark, "Successfully reloaded zone", z.Origin)
	if err != nil {
		return err
	}
	done, made, err := srv.awaitPublished(time.Second, loaded.Next, z)
	if err != nil {
		return err
	}
	if made.Signatures < z.Signatures(d)*9/10 { // the DNSKEY set has a TTL of its own
		return fmt.Errorf("%s: %d signatures are no full signing", z.Origin, made.Signatures)
	}
	from, to := loaded.At.Sub(busy.Start), done.At.Sub(busy.Start)
	p := percentile(busy.Samples, from, to, 990)
	where := fmt.Sprintf("GOMAXPROCS=%d on core %s", o.Procs, o.CPU)
	if o.CPU == "" {
		where = "any core"
	}
	b.table.Add(Figure{
		What: fmt.Sprintf("%s %s: p99 of answers during a full signing / idle, %s", z.Name, d, where),
		Reading: fmt.Sprintf("%.0f / %.0f us, p99.9 %.0f us, signing %.1f s", microseconds(p), microseconds(quiet),
			microseconds(percentile(busy.Samples, from, to, 999)), (to - from).Seconds()),
		Reached: float64(p) / float64(quiet),
		Target:  2,
	})
	return nil
}

// stretch is the outcome of a load.
type stretch struct {
	Start   time.Time
	Samples []sample
}

// underLoad runs the load in a process of its own on the other core.
func (b *bench) underLoad(ctx context.Context, z Zone, length time.Duration) (stretch, error) {
	var s stretch
	err := b.child(ctx, length+30*time.Second, askerCore, &s, "load", z.Name, strconv.Itoa(b.port+signerPort), length.String())
	return s, err
}

// loadJob is the child's side of underLoad.
func loadJob(z Zone, args []string) (any, error) {
	port, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	length, err := time.ParseDuration(args[1])
	if err != nil {
		return nil, err
	}
	l, err := newLoad(z, loadRate)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	samples, err := l.run(port, length)
	return stretch{start, samples}, err
}

// loadRate is how many questions a second the load sends: about a thirtieth of
// what one core can answer, so that what is measured is delay and not backlog.
const loadRate = 2_000
