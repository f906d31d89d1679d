//go:build linux

// Command compare runs the same rollovers, under the same policy of seconds,
// in one signer after the other, and writes down what the world sees: which
// keys are in the DNSKEY set, which sign, what CDS and the parent's DS are.
//
// Each kind of rollover has a zone of its own, so that one run of a server
// shows them all. A parent that takes its DS from the CDS, some seconds late,
// belongs to this program. docs/compare.md explains what came out.
//
//	go run ./test/compare -server named -out docs/compare/named.txt
//	go run ./test/compare -table docs/compare/named.txt docs/compare/knot.txt docs/compare/autosign.txt
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// The policy that every server is given, as far as it has words for it.
const (
	dnskeyTTL         = 20  // seconds, as all below
	zoneTTL           = 30  // of all other records
	dsTTL             = 20  // at the parent
	zonePropagation   = 5   // Dprp
	parentPropagation = 5   // DprpP
	safety            = 5   // publish and retire safety
	validity          = 600 // of signatures
	refresh           = 530 // what is left of one when it is renewed: Dsgn is 70
	registration      = 10  // Dreg: from the CDS to the parent's DS
	look              = 200 * time.Millisecond
)

// kinds are the rollovers, each the first label of a zone.
var kinds = []string{"zsk", "ksk", "csk", "algorithm", "scheme", "denial", "insecure"}

// origin is the zone in which a kind of rollover is watched.
func origin(kind string) string { return kind + ".test." }

// Site is where a server runs.
type Site struct {
	Dir    string // of its own, empty
	Port   int    // it answers there, on 127.0.0.1
	Parent int    // the parent answers there
}

// Server is a signer that can be watched.
type Server interface {
	Start(ctx context.Context, s Site) error
	Roll(ctx context.Context) error  // begins every rollover
	Nudge(ctx context.Context) error // called every few seconds
	Leave(ctx context.Context) error // called when the DS of the zone that goes insecure is gone from every cache
	Stop()
	Last() string // of what it wrote
}

func main() {
	server := flag.String("server", "", "named, knot or autosign")
	out := flag.String("out", "", "file for the log; standard output otherwise")
	settle := flag.Duration("settle", 150*time.Second, "from the start to the rollovers")
	length := flag.Duration("length", 6*time.Minute, "from the rollovers to the end")
	binary := flag.String("coredns", "bin/coredns", "CoreDNS with autosign")
	table := flag.Bool("table", false, "print the logs named by the arguments side by side")
	flag.Parse()
	var err error
	if *table {
		err = printTables(os.Stdout, flag.Args())
	} else {
		err = measure(*server, *binary, *out, *settle, *length)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// measure runs a server from its first start to the end of all rollovers.
func measure(name, binary, out string, settle, length time.Duration) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	server := map[string]Server{"named": &named{}, "knot": &knot{}, "autosign": &autosign{binary: binary}}[name]
	if server == nil {
		return fmt.Errorf("server %q: named, knot and autosign are known", name)
	}
	dir, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	log, parent := &Log{start: time.Now()}, newParent()
	defer parent.Close()
	site := Site{Dir: dir}
	if site.Parent, err = parent.Listen(); err != nil {
		return err
	}
	if site.Port, err = freePort(); err != nil {
		return err
	}
	if err := writeZones(dir); err != nil {
		return err
	}
	if err := server.Start(ctx, site); err != nil {
		return err
	}
	defer server.Stop()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, server.Last())
		}
	}()
	watch := newWatch(site.Port, parent, log)
	if err := watch.during(ctx, settle, server); err != nil {
		return err
	}
	log.Add("all", "rollovers begin", "")
	if err := server.Roll(ctx); err != nil {
		return err
	}
	// The log so far is written even when somebody has seen enough.
	if err := watch.during(ctx, length, server); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return log.Write(out)
}
