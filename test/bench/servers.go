//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// Ports of the servers, above the first port of the run.
const (
	signerPort = iota
	whoamiPort
	holdPort  // the zone in the process of whoami, asked by nobody
	adminPort // DNS of the block that carries pprof and metrics
	pprofPort
	metricsPort
)

// signer says how our server is started.
type signer struct {
	CPU   string // cores, as taskset writes them
	Procs int    // GOMAXPROCS
	File  string // zone file instead of the zone's own
	Plain bool   // file alone, nothing signed
	// Verify is how much is verified before a version is served; "" is the
	// default, budget, which verifies the rest behind it.
	Verify string
	// Calm waits until nothing is going on any more, so that only what is asked
	// of the server costs time.
	Calm bool
}

// The zone's own block holds only what it needs; what watches the process has
// a block of its own, so that it costs the answers nothing.
const (
	signerCorefile = `%[1]s:%[2]d {
    bind 127.0.0.1
    %[3]s
    file %[4]s %[1]s {
        reload 1s
    }
}
.:%[5]d {
    bind 127.0.0.1
    whoami
    pprof 127.0.0.1:%[6]d
    prometheus 127.0.0.1:%[7]d
}
`
	autosignLine = `autosign {
        keys %s
        new_keys always
        parent none
        denial %s
        verify %s
    }`
	whoamiCorefile = `.:%[1]d {
    bind 127.0.0.1
    whoami
}
%[2]s:%[3]d {
    bind 127.0.0.1
    file %[4]s %[2]s {
        reload 0
    }
}
`
)

var denialWords = map[Denial]string{NSEC: "nsec", NSEC3: "nsec3", OptOut: "nsec3 optout"}

// startSigner starts our server and waits until the zone is served, signed
// unless plain; a calm one has come to rest then.
func (b *bench) startSigner(ctx context.Context, z Zone, d Denial, o signer) (*Server, error) {
	if o.File == "" {
		var err error
		if o.File, err = b.zoneFile(z); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(b.dir, "server-")
	if err != nil {
		return nil, err
	}
	line := ""
	if !o.Plain {
		line = fmt.Sprintf(autosignLine, filepath.Join(dir, "keys"), denialWords[d], cmp.Or(o.Verify, "budget"))
	}
	conf := fmt.Sprintf(signerCorefile, z.Origin, b.port+signerPort, line, o.File,
		b.port+adminPort, b.port+pprofPort, b.port+metricsPort)
	srv, err := Spec{Binary: b.coredns, Corefile: conf, Dir: dir, CPU: o.CPU, Procs: o.Procs}.Start()
	if err != nil {
		return nil, err
	}
	err = b.awaitServed(ctx, srv, z, b.port+signerPort, !o.Plain)
	if err == nil && o.Calm {
		err = srv.rest(ctx)
	}
	if err != nil {
		srv.Stop()
		return nil, err
	}
	return srv, nil
}

// startWhoami starts a server that answers by whoami while file holds the zone.
func (b *bench) startWhoami(z Zone) (*Server, error) {
	file, err := b.zoneFile(z)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "whoami-")
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf(whoamiCorefile, b.port+whoamiPort, z.Origin, b.port+holdPort, file)
	srv, err := Spec{Binary: b.coredns, Corefile: conf, Dir: dir, CPU: serverCore, Procs: 1}.Start()
	if err != nil {
		return nil, err
	}
	if err := b.awaitServed(context.Background(), srv, z, b.port+holdPort, false); err != nil {
		srv.Stop()
		return nil, err
	}
	return srv, nil
}

// serveLimit bounds how long a server may take until it serves a zone.
const serveLimit = 4 * time.Minute

// awaitServed waits until the zone's SOA is answered, with its signature if signed.
func (b *bench) awaitServed(ctx context.Context, s *Server, z Zone, port int, signed bool) error {
	ctx, cancel := context.WithTimeout(ctx, serveLimit)
	defer cancel()
	for {
		if m, err := ask(z.Origin, dns.TypeSOA, port); err == nil && m.Rcode == dns.RcodeSuccess &&
			len(m.Answer) > 0 && (!signed || len(m.Answer) > 1) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not served: %w: %s", z.Origin, ctx.Err(), s.tail())
		case <-s.ended:
			return fmt.Errorf("%s is not served, the server has ended: %s", z.Origin, s.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ask sends one question with DO over UDP.
func ask(name string, typ uint16, port int) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, typ)
	m.SetEdns0(4096, true)
	c := dns.Client{Timeout: time.Second}
	r, _, err := c.Exchange(m, "127.0.0.1:"+strconv.Itoa(port))
	return r, err
}

// rest waits until the process has used almost no processor time for a second.
func (s *Server) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serveLimit)
	defer cancel()
	last, err := s.CPU()
	for err == nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("server does not come to rest: %w", ctx.Err())
		case <-s.ended:
			return fmt.Errorf("server has ended: %s", s.tail())
		case <-time.After(time.Second):
		}
		now, err := s.CPU()
		if err != nil {
			return err
		}
		if now-last <= 2*tick {
			return nil
		}
		last = now
	}
	return err
}

var heapLine = regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)`)

// liveHeap returns the octets that are in use after a collection.
func (b *bench) liveHeap() (int64, error) {
	var least int64 = 1<<63 - 1
	for range 3 {
		// The answer to this may come too late for pprof's time limit; what counts
		// is the collection that it makes.
		b.get(pprofPort, "/debug/pprof/heap?gc=1")
		text, err := b.get(pprofPort, "/debug/pprof/heap?debug=1")
		if err != nil {
			return 0, err
		}
		m := heapLine.FindSubmatch(text)
		if m == nil {
			return 0, errors.New("pprof: no HeapAlloc in the heap profile")
		}
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			return 0, err
		}
		least = min(least, n)
	}
	return least, nil
}

func (b *bench) get(port int, path string) ([]byte, error) {
	c := http.Client{Timeout: 30 * time.Second}
	r, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d%s", b.port+port, path))
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}
