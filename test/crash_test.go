package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// history is what the world has seen of a zone across crashes.
type history struct {
	served bool
	serial uint32
	keys   []string // public keys of the DNSKEY set
}

// look asks once, while the server may be anything from starting to dead.
func (h *history) look(t *testing.T, addr, zone string) {
	t.Helper()
	r, err := exchange(addr, "tcp", query(zone, dns.TypeSOA, true))
	if err != nil || r.Rcode != dns.RcodeSuccess || len(r.Answer) == 0 {
		return
	}
	serial := r.Answer[0].(*dns.SOA).Serial
	if h.served && int32(serial-h.serial) < 0 {
		t.Fatalf("serial %d after %d", serial, h.serial)
	}
	h.served, h.serial = true, serial
	if r, err = exchange(addr, "tcp", query(zone, dns.TypeDNSKEY, true)); err != nil || len(r.Answer) == 0 {
		return
	}
	var keys []string
	for _, rr := range r.Answer {
		if k, ok := rr.(*dns.DNSKEY); ok {
			keys = append(keys, k.PublicKey)
		}
	}
	slices.Sort(keys)
	if h.keys != nil && !slices.Equal(keys, h.keys) {
		t.Fatalf("the DNSKEY set changed from %q to %q", h.keys, keys)
	}
	h.keys = keys
}

// TestCrash_KilledAtAnyMoment kills the server, as a power cut would, at
// random moments while it makes its first keys, stores its state, publishes
// and re-signs after edits. Whatever was seen must still hold after the next
// start: the same keys, the same serial or a later one, a valid zone.
func TestCrash_KilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	for round := range 4 {
		dir := t.TempDir()
		write(t, dir, map[string]string{"db": plain(1)})
		s := &server{dir: dir, port: freePort(t)}
		s.addr = fmt.Sprintf("127.0.0.1:%d", s.port)
		s.configure(t, block(zone, "db"))
		seen := &history{}
		for life := range 6 {
			s.fork(t)
			// The first lives end within the first half second, when keys are made.
			watch(t, s, zone, seen, time.Duration(rand.IntN(200*(life+1)+100))*time.Millisecond)
			s.kill()
			write(t, dir, map[string]string{"db": plain(10*(life+1), fmt.Sprintf("life%d A 192.0.2.%d", life, round))})
		}
		s.launch(t)
		s.signed(t, zone)
		seen.look(t, s.addr, zone)
		checkKeyFiles(t, s, zone)
		verifyFile(t, zone, axfr(t, s.addr, zone))

		s.restart(t)
		s.signed(t, zone)
		seen.look(t, s.addr, zone)
	}
}

// watch looks at the server for a while.
func watch(t *testing.T, s *server, zone string, seen *history, d time.Duration) {
	t.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-end.C:
			return
		case <-tick.C:
			seen.look(t, s.addr, zone)
		}
	}
}

// checkKeyFiles wants every served key as a complete pair of files that only
// their owner can read.
func checkKeyFiles(t *testing.T, s *server, zone string) {
	t.Helper()
	for _, k := range dnskeys(t, s.addr, zone) {
		base := filepath.Join(s.dir, "keys", fmt.Sprintf("K%s+%03d+%05d", zone, k.Algorithm, k.KeyTag()))
		public, err := os.ReadFile(base + ".key")
		if err != nil || !strings.Contains(strings.ReplaceAll(string(public), " ", ""), k.PublicKey) {
			t.Errorf("%s.key: error %v, or not the key that is served", base, err)
		}
		info, err := os.Stat(base + ".private")
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s.private has mode %v", base, info.Mode())
		}
	}
}

// TestCrash_TwoServersOnOneFolder starts two servers at once on one empty
// folder of keys. They may not make two sets of keys, nor two versions under
// one serial: resolvers ask now the one and now the other.
func TestCrash_TwoServersOnOneFolder(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	for range 6 {
		dir := t.TempDir()
		write(t, dir, map[string]string{"db": plain(1)})
		var pair [2]*server
		for i := range pair {
			s := &server{dir: t.TempDir(), port: freePort(t)}
			s.addr = fmt.Sprintf("127.0.0.1:%d", s.port)
			s.configure(t, block(zone, filepath.Join(dir, "db"), "keys "+filepath.Join(dir, "keys")))
			pair[i] = s
		}
		for _, s := range pair {
			s.fork(t)
		}
		for _, s := range pair {
			s.signed(t, zone)
		}
		until(t, "the same version on both servers", func() string {
			a, errA := transfer(pair[0].addr, zone)
			b, errB := transfer(pair[1].addr, zone)
			switch {
			case errA != nil || errB != nil:
				return fmt.Sprint(errA, errB)
			case a[0].String() != b[0].String():
				return fmt.Sprintf("SOA %v and %v", a[0], b[0])
			case fmt.Sprint(a) != fmt.Sprint(b):
				t.Fatalf("two versions under one serial:\n%v\n%v", a, b)
			}
			return ""
		})
		if n := len(dnskeys(t, pair[0].addr, zone)); n != 2 {
			t.Fatalf("%d keys", n)
		}
		checkKeyFiles(t, &server{dir: dir, addr: pair[0].addr}, zone)
		for _, s := range pair {
			s.kill()
		}
	}
}
