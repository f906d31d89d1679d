package autosign

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// upper is a parent with some servers, as the world shows it.
type upper struct {
	mu       sync.Mutex
	names    []string
	ds       map[string][]parent.DS // by server
	silent   map[string]error
	ttl      uint32
	err      error // of looks as a whole
	looks    []time.Time
	keys     [][]byte // DNSKEY RDATA that the zone's servers show
	keysErr  error
	asked    []time.Time // for keys, where the zone itself names its servers
	target   error       // of notifications
	notified []time.Time
}

func newUpper(names ...string) *upper {
	return &upper{names: names, ds: map[string][]parent.DS{}, silent: map[string]error{}, ttl: 3600,
		keysErr: parent.ErrNotDelegated, target: parent.ErrNoTarget}
}

// Look implements outside.
func (r *upper) Look(context.Context, string) (parent.Look, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks = append(r.looks, time.Now())
	if r.err != nil {
		return parent.Look{}, r.err
	}
	l := parent.Look{At: time.Now(), Zone: "org."}
	for _, name := range r.names {
		s := parent.Server{Name: name, Err: r.silent[name]}
		if s.Err == nil {
			s.DS = r.ds[name]
			if len(s.DS) > 0 {
				l.TTL = r.ttl
			}
		}
		l.Servers = append(l.Servers, s)
	}
	return l, nil
}

// DNSKEY implements outside.
func (r *upper) DNSKEY(context.Context, string) (parent.Published, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return parent.Published{At: time.Now(), Copies: []parent.Copy{{Name: "ns2.example.net.", DNSKEY: r.keys}}}, r.keysErr
}

// DNSKEYAt implements outside.
func (r *upper) DNSKEYAt(_ context.Context, _ string, hosts []parent.Host) (p parent.Published) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, time.Now())
	for _, h := range hosts {
		p.Copies = append(p.Copies, parent.Copy{Name: h.Name, DNSKEY: r.keys, Err: r.silent[h.Name]})
	}
	return p
}

// Notify implements outside.
func (r *upper) Notify(context.Context, string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notified = append(r.notified, time.Now())
	if r.target != nil {
		return nil, r.target
	}
	return []string{"notify.example.net.:53"}, nil
}

// change edits what the parent has.
func (r *upper) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// follow has servers take over the DS set that the zone's CDS set asks for.
func (r *upper) follow(t *testing.T, s *signer, names ...string) {
	t.Helper()
	set, ok := s.served.Load().signed.ApexSet(59)
	if !ok {
		t.Fatal("no CDS set is served")
	}
	var list []parent.DS
	for rd := range set.RData {
		if rd[2] != 0 {
			list = append(list, parent.DS{KeyTag: uint16(rd[0])<<8 | uint16(rd[1]), Algorithm: rd[2], DigestType: rd[3], Digest: slices.Clone(rd[4:])})
		}
	}
	r.change(func() {
		for _, n := range names {
			r.ds[n] = list
		}
	})
}

// told returns when the parent was notified.
func (r *upper) told() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.notified)
}

// looksSince returns how many looks were made since a moment.
func (r *upper) looksSince(t time.Time) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.looks {
		if !l.Before(t) {
			n++
		}
	}
	return n
}

// attended starts a signer that looks at a registry.
func (p *place) attended(t *testing.T, r *upper) *signer {
	t.Helper()
	s := p.signer()
	s.attend(&instance{signers: map[identity]*signer{{s.zone, s.view}: s}}, r)
	s.loop.start()
	t.Cleanup(func() { s.loop.stop() })
	synctest.Wait()
	return s
}

// wait lets time pass until something is so.
func wait(t *testing.T, what string, most time.Duration, so func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > most {
			t.Fatalf("after %s: not %s", most, what)
		}
		time.Sleep(clamp(most/400, 5*time.Minute, 6*time.Hour))
		synctest.Wait()
	}
	return time.Since(began)
}

// in reports whether the record of a key of a role, the newest or the oldest, is
// in a state.
func (p *place) in(id string, r rollover.Record, s rollover.State) func() bool {
	return func() bool {
		k := p.state().KeySet.Key(id)
		return k != nil && k.Status(r).State == s && !k.Status(r).Pending
	}
}

// of returns the ID of the newest key of a role.
func (p *place) of(role policy.Role) (id string) {
	for _, k := range p.state().KeySet.Keys {
		if k.Role == role && k.Retired.IsZero() {
			id = k.ID
		}
	}
	return id
}

// delegated starts a zone whose DS is at every server, known to every cache.
func (p *place) delegated(t *testing.T, r *upper) (s *signer, ksk string) {
	t.Helper()
	s = p.attended(t, r)
	ksk = p.of(policy.KSK)
	wait(t, "asking for a DS", 3*day, p.in(ksk, rollover.DS, rollover.Rumoured))
	r.follow(t, s, r.names...)
	wait(t, "delegated", 4*day, p.in(ksk, rollover.DS, rollover.Omnipresent))
	return s, ksk
}

var byTest = Order{Who: "ops", Why: "test"}

func rollKSK(set *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
	return set.Roll(o, policy.KSK, false)
}
