//go:build linux

// Command bench measures autosign beside its peers in one run, so that the
// figures compare on any machine: Knot's kzonesign, the raw ECDSA signature of
// Go, and CoreDNS's own file and whoami. It makes its zones itself.
//
//	go run ./test/bench                  the zone of 100,000 names
//	go run ./test/bench -zones S,M,L     the million delegations too
//	go run ./test/bench -parts answers -check
//
// It needs Linux, two cores, taskset, dnsperf and kzonesign.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is one run.
type bench struct {
	dir           string // everything that is written
	coredns       string // CoreDNS with autosign
	port          int    // first of the ports
	rounds        int    // how often a figure is taken; the least counts
	length        time.Duration
	signingWindow time.Duration
	table         Table
	progress      io.Writer
	raw           time.Duration
	parsed        map[string]parseResult
	costs         map[string]costs // by zone and denial
}

// writer is what the generators write to.
type writer = io.Writer

// parts are the measurements, in their order.
var parts = []string{"sign", "change", "answers", "memory", "latency"}

func main() {
	var (
		job     = flag.Bool("job", false, "run one measurement inside this process and print JSON")
		check   = flag.Bool("check", false, "exit with 1 when a target is missed")
		zones   = flag.String("zones", "M", "zones: S, M, L")
		only    = flag.String("parts", strings.Join(parts, ","), "what is measured")
		denials = flag.String("denial", "NSEC,NSEC3,opt-out", "ways to deny existence")
	)
	b := &bench{parsed: map[string]parseResult{}, costs: map[string]costs{}, progress: os.Stderr}
	flag.StringVar(&b.coredns, "coredns", "", "CoreDNS with autosign; built when empty")
	flag.StringVar(&b.dir, "dir", "", "where zones and servers' files are kept; a temporary directory when empty")
	flag.IntVar(&b.port, "port", 15300, "first of six ports")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each figure is taken; the least counts")
	flag.DurationVar(&b.length, "length", 3*time.Second, "how long each kind of question is asked")
	flag.DurationVar(&b.signingWindow, "window", 30*time.Second, "how long the load lasts in which a full signing must fit")
	flag.Parse()

	err := error(nil)
	if *job {
		err = runJob(flag.Args())
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = b.run(ctx, strings.Split(*zones, ","), strings.Split(*only, ","), strings.Split(*denials, ","))
		stop()
		b.table.Print(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if *check && b.table.Missed() > 0 {
		os.Exit(1)
	}
}

// run measures the parts for each zone and each way to deny existence.
func (b *bench) run(ctx context.Context, zones, only, denials []string) error {
	cleanUp, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	for _, name := range zones {
		z, err := zoneNamed(name)
		if err != nil {
			return err
		}
		for _, d := range []Denial{NSEC, NSEC3, OptOut} {
			if !slices.Contains(denials, string(d)) || d == OptOut && z.Hosts > 0 {
				continue
			}
			for _, part := range parts {
				if !slices.Contains(only, part) {
					continue
				}
				start := time.Now()
				if err := b.part(ctx, part, z, d); err != nil {
					return fmt.Errorf("%s %s: %s: %w", z.Name, d, part, err)
				}
				fmt.Fprintf(b.progress, "%s %s: %s took %s\n", z.Name, d, part, time.Since(start).Round(time.Second))
			}
		}
	}
	for _, d := range []Denial{NSEC, NSEC3} {
		b.compareSizes(d, b.costs[Medium.Name+string(d)], b.costs[Large.Name+string(d)])
	}
	return nil
}

func (b *bench) part(ctx context.Context, part string, z Zone, d Denial) error {
	switch part {
	case "sign":
		return b.sign(ctx, z, d)
	case "change":
		return b.change(ctx, z, d)
	case "memory":
		return b.memory(ctx, z, d)
	case "latency":
		// Once with the one core that is left, once as if there were two: then the
		// kernel shares the core between threads, not Go's scheduler.
		return errors.Join(b.latency(ctx, z, d, signer{CPU: serverCore, Procs: 1, Calm: true}),
			b.latency(ctx, z, d, signer{CPU: serverCore, Procs: 2, Calm: true}))
	default:
		c, err := b.answers(ctx, z, d)
		b.costs[z.Name+string(d)] = c
		return err
	}
}

// prepare makes the directory and builds CoreDNS, unless they are given.
func (b *bench) prepare(ctx context.Context) (cleanUp func(), err error) {
	for _, tool := range []string{"taskset", "dnsperf", "kzonesign"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, err
		}
	}
	cleanUp = func() {}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "autosign-bench-"); err != nil {
			return nil, err
		}
		cleanUp = func() { os.RemoveAll(b.dir) }
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, err
	}
	if b.coredns == "" {
		b.coredns = filepath.Join(b.dir, "coredns")
		_, _, err = run(ctx, 20*time.Minute, "go", "build", "-o", b.coredns, "github.com/autosign-dns/autosign/cmd/coredns")
	}
	return cleanUp, err
}

// zoneFile returns the zone's file, written once.
func (b *bench) zoneFile(z Zone) (string, error) {
	name := filepath.Join(b.dir, z.Name+".zone")
	return name, b.writeOnce(name, func(w writer) error { return z.Write(w, Edition{Serial: 1}) })
}

func (b *bench) writeOnce(name string, write func(writer) error) error {
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
