//go:build unix

package autosign

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/store/memory"
)

// keyMemory keeps keys in memory: the disk is not what is measured.
type keyMemory struct {
	mu      sync.Mutex
	entries map[string][]keystore.Entry
	signers map[string]crypto.Signer
}

// Create implements keystore.Keystore.
func (m *keyMemory) Create(_ context.Context, zone string, spec keystore.Spec) (keystore.Entry, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return keystore.Entry{}, err
	}
	k, err := key.New(spec.Role, policy.ED25519, public)
	e := keystore.Entry{ID: fmt.Sprintf("K%s+015+%05d", zone, k.Tag), Key: k}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[zone] = append(m.entries[zone], e)
	m.signers[e.ID] = private
	return e, err
}

// List implements keystore.Keystore.
func (m *keyMemory) List(_ context.Context, zone string) ([]keystore.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.entries[zone]), nil
}

// Open implements keystore.Keystore.
func (m *keyMemory) Open(_ context.Context, _, id string) (crypto.Signer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.signers[id]; s != nil {
		return s, nil
	}
	return nil, keystore.ErrNotExist
}

// Destroy implements keystore.Keystore.
func (m *keyMemory) Destroy(context.Context, string, string) error { return keystore.ErrNotExist }

// processor returns the processor time that this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Ten thousand zones at rest: their sources are polled, their parents looked at,
// signatures made when they are due, keys moved when their time has come.
func BenchmarkIdle10kZones(b *testing.B) {
	const zones = 10_000
	keys := &keyMemory{entries: map[string][]keystore.Entry{}, signers: map[string]crypto.Signer{}}
	st, inst, l := memory.New(), &instance{signers: map[identity]*signer{}}, newLoop()
	defer l.stop()
	p := policy.Default()
	p.Algorithm = policy.ED25519
	for n := range zones {
		origin := fmt.Sprintf("zone%d.example.", n)
		wire, _ := appendWire(nil, origin)
		s := &signer{
			zone: origin, origin: wire, policy: p, effective: p, asOf: time.Now(), clock: newClock(time.Now), crew: hands,
			source: &zoneText{origin: origin, text: "@ 3600 IN SOA ns1 hostmaster 10 7200 3600 345600 300\n@ 3600 IN NS ns1\nns1 3600 IN A 192.0.2.1\nwww 3600 IN A 192.0.2.2\n"},
			docs:   newDocuments(st, origin, ""), box: keyBox{store: keys, zone: origin}, copies: newMemoryCopies(),
			parent: &fakeParent{}, freshStore: true,
		}
		inst.signers[identity{origin, ""}] = s
		s.attend(inst, newUpper("a.", "b."))
		l.add(s)
	}
	l.start()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !inst.settled() {
		<-tick.C
	}
	for range 15 { // what is verified behind the first versions
		<-tick.C
	}
	for b.Loop() {
		before, began := processor(b), time.Now()
		for range 20 {
			<-tick.C
		}
		b.ReportMetric(100*float64(processor(b)-before)/float64(time.Since(began)), "%core")
	}
}

// settled reports whether every zone is served and its parent was looked at.
func (i *instance) settled() bool {
	for _, s := range i.signers {
		s.watch.mu.Lock()
		checked := s.watch.checked
		s.watch.mu.Unlock()
		if s.served.Load() == nil || !checked {
			return false
		}
	}
	return true
}
