package autosign

import (
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/store"
)

// The tests here stop a signer, or let a call fail, at each arrow of the way
// from a policy to keys: when a key is made or destroyed, whenever the stored
// keys change, and when a version is claimed that shows it; before the call is
// done, and behind it. Then life goes on.

// fault is what happens at an arrow.
type fault uint8

const (
	stopBefore fault = iota // the process ends, and the call is not made
	stopAfter               // the process ends when it is done
	notDone                 // the call fails
	notTold                 // the call is done, and nobody is told
	heir                    // one of two processes ends when it is done, and the other goes on alone (P3)
	faults
)

var faultWords = [faults]string{"stop before", "stop after", "not done", "done, but not told", "an heir"}

var errArrow = errors.New("the arrow breaks")

// arrows notes the calls that matter, by the steps that they are, and breaks the
// first that is a certain step.
type arrows struct {
	mu     sync.Mutex
	open   bool // they are noted from now on
	at     string
	fault  fault
	broken bool
	calls  [][]string // the steps that each call is
	stored []string   // steps of keys that no version shows yet
}

// link is how a signer reaches what outlives it, until its process ends.
type link struct {
	*arrows
	dead bool
}

// cross makes a call that matters. The arrows are locked.
func (l *link) cross(steps []string, call func() error) error {
	if l.dead {
		return errArrow
	}
	if !l.open {
		return call()
	}
	l.calls = append(l.calls, steps)
	if l.broken || !slices.Contains(steps, l.at) {
		return call()
	}
	l.broken = true
	l.dead = l.fault == stopBefore || l.fault == stopAfter || l.fault == heir
	if l.fault == stopAfter || l.fault == notTold || l.fault == heir {
		if err := call(); err != nil {
			return err
		}
	}
	return errArrow
}

// alive makes a call that changes nothing that matters.
func (l *link) alive(call func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errArrow
	}
	return call()
}

type arrowStore struct {
	store.Store
	l *link
}

func (s arrowStore) Load(ctx context.Context, name string) (data []byte, rev store.Revision, err error) {
	err = s.l.alive(func() error { data, rev, err = s.Store.Load(ctx, name); return err })
	return data, rev, err
}

func (s arrowStore) Swap(ctx context.Context, name string, old store.Revision, data []byte) (rev store.Revision, err error) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	before, is, _ := s.Store.Load(ctx, name)
	if !s.l.dead && (is != old || !s.l.open || s.l.broken) { // a conflict, or nothing is to break any more
		return s.Store.Swap(ctx, name, old, data)
	}
	keys, claimed := changed(before, data)
	what := keys
	for _, step := range s.l.stored {
		if keys == nil && claimed && (strings.HasSuffix(step, "to rumoured") || strings.HasSuffix(step, "to unretentive")) {
			what = append(what, "a version with "+step)
		}
	}
	if what == nil {
		what = []string{"nothing of keys"}
	}
	return rev, s.l.cross(what, func() error {
		if rev, err = s.Store.Swap(ctx, name, old, data); err != nil {
			return err
		}
		if s.l.stored = append(s.l.stored, keys...); claimed {
			s.l.stored = nil
		}
		return nil
	})
}

type arrowKeys struct {
	keystore.Keystore
	l *link
}

func (k arrowKeys) Create(ctx context.Context, zone string, spec keystore.Spec) (e keystore.Entry, err error) {
	k.l.mu.Lock()
	defer k.l.mu.Unlock()
	err = k.l.cross([]string{"create " + spec.Role.String()}, func() error { e, err = k.Keystore.Create(ctx, zone, spec); return err })
	return e, err
}

func (k arrowKeys) Destroy(ctx context.Context, zone, id string) error {
	k.l.mu.Lock()
	defer k.l.mu.Unlock()
	return k.l.cross([]string{"destroy"}, func() error { return k.Keystore.Destroy(ctx, zone, id) })
}

func (k arrowKeys) List(ctx context.Context, zone string) (list []keystore.Entry, err error) {
	err = k.l.alive(func() error { list, err = k.Keystore.List(ctx, zone); return err })
	return list, err
}

func (k arrowKeys) Open(ctx context.Context, zone, id string) (s crypto.Signer, err error) {
	err = k.l.alive(func() error { s, err = k.Keystore.Open(ctx, zone, id); return err })
	return s, err
}

// tale is what happens to the keys of a zone, step by step.
type tale struct {
	name   string
	policy func(*policy.Policy) // from the beginning
	// begin begins it when the zone is at rest, and may be tried again. Without
	// it the tale is about the first keys.
	begin func(*crossing) error
	// replaced are the keys of before that are gone in the end.
	replaced func(*rollover.Key) bool
	slow     bool     // a policy of days, since keys that are found again may have been in caches for a day
	steps    []string // some of its steps
}

func anyKey(*rollover.Key) bool { return true }

func ofRole(r policy.Role) func(*rollover.Key) bool {
	return func(k *rollover.Key) bool { return k.Role == r }
}

func csk(p *policy.Policy) { p.Scheme, p.SchemeGiven = policy.SchemeCSK, true }

var tales = []tale{
	{name: "first keys", slow: true, steps: []string{"create KSK", "create ZSK", "the first document", "KSK DS hidden to rumoured", "KSK DS seen"}},
	{name: "KSK", begin: ordered(false, policy.KSK), replaced: ofRole(policy.KSK),
		steps: []string{"requests", "create KSK", "pool", "KSK new", "KSK DS omnipresent to unretentive", "KSK DNSKEY omnipresent to unretentive", "destroy"}},
	{name: "ZSK", begin: ordered(false, policy.ZSK), replaced: ofRole(policy.ZSK),
		steps: []string{"create ZSK", "ZSK ZRRSIG omnipresent to unretentive", "a generation begins", "a generation is complete", "ZSK DNSKEY unretentive to hidden", "ZSK forgotten"}},
	{name: "CSK", policy: csk, begin: ordered(false, policy.CSK), replaced: anyKey,
		steps: []string{"CSK ZRRSIG hidden to rumoured", "CSK DS unretentive to hidden"}},
	{name: "emergency", begin: ordered(true, policy.KSK, policy.ZSK), replaced: anyKey,
		steps: []string{"KSK DS hidden to rumoured", "ZSK ZRRSIG hidden to rumoured"}},
	{name: "algorithm", begin: given(func(p *policy.Policy) { p.Algorithm, p.AlgorithmGiven = policy.ECDSAP256SHA256, true }),
		replaced: anyKey, steps: []string{"policy", "ZSK ZRRSIG hidden to rumoured", "ZSK ZRRSIG unretentive to hidden"}},
	{name: "scheme", begin: given(csk), replaced: anyKey, steps: []string{"CSK DS hidden to rumoured", "ZSK DNSKEY unretentive to hidden"}},
	{name: "insecure", begin: given(func(p *policy.Policy) { p.Insecure = true }), replaced: anyKey,
		steps: []string{"KSK DS omnipresent to unretentive", "ZSK DNSKEY omnipresent to unretentive"}},
	{name: "secure", slow: true, policy: func(p *policy.Policy) { p.Insecure = true },
		begin: given(func(p *policy.Policy) { p.Insecure = false }), steps: []string{"KSK new", "ZSK ZRRSIG hidden to rumoured"}},
}

// ordered has keys rolled as an operator does.
func ordered(emergency bool, roles ...policy.Role) func(*crossing) error {
	return func(c *crossing) error {
		for _, role := range roles {
			if _, err := c.o.signers[0].order(c.t.Context(), byTest, func(set *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
				return set.Roll(o, role, emergency)
			}); err != nil {
				return err
			}
		}
		return nil
	}
}

// given changes the policy, in a Corefile that all are started with anew.
func given(change func(*policy.Policy)) func(*crossing) error {
	return func(c *crossing) error {
		c.o.stop()
		change(&c.p.policy)
		for i := range c.o.signers {
			c.start(i)
		}
		return nil
	}
}

// crossing is one tale with one arrow broken.
type crossing struct {
	*arrows
	t      *testing.T
	p      *place
	o      *observed
	links  []*link  // of the signers
	before []string // IDs of the keys that are to be replaced
}

// hasten gives a place a policy of seconds and minutes.
func hasten(p *place) {
	p.source.set("@ 60 IN SOA ns1 hostmaster 10 7200 3600 3600 60\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.1\n")
	q := &p.policy
	q.Validity, q.ValidityDNSKEY, q.Refresh, q.DNSKEYTTL = time.Hour, time.Hour, 20*time.Minute, 60
	q.ZonePropagation, q.PublishSafety, q.RetireSafety = 10*time.Second, 10*time.Second, 10*time.Second
	q.DSTTL, q.ParentPropagation, q.PurgeKeys = 2*time.Minute, time.Minute, 2*time.Minute
	q.ZSKLifetime = 0
}

// cross goes through a tale with a fault in it and returns the arrows that were
// crossed.
func cross(t *testing.T, s tale, at string, kind fault) [][]string {
	c := &crossing{t: t, p: newPlace(t), arrows: &arrows{at: at, fault: kind, open: s.begin == nil}}
	within, delay := 5*day, time.Hour
	if !s.slow {
		hasten(c.p)
		within, delay = 3*time.Hour, 2*time.Minute
	}
	if s.policy != nil {
		s.policy(&c.p.policy)
	}
	c.o = unobserved(t, c.p)
	c.o.delay, c.o.many = delay, kind == heir
	if c.o.many { // the rest of the delay is what one takes to follow the other
		c.o.caches.spread /= 2
	}
	c.o.signers, c.links = make([]*signer, 1), make([]*link, 1)
	if c.o.many {
		c.o.signers, c.links = make([]*signer, 2), make([]*link, 2)
	}
	defer func() { c.o.stop() }()
	for i := range c.o.signers {
		c.start(i)
	}
	if s.begin != nil {
		c.rest(within)
		for _, k := range c.p.state().KeySet.Keys {
			if s.replaced != nil && s.replaced(&k) {
				c.before = append(c.before, k.ID)
			}
		}
		c.open = true
		for err := s.begin(c); err != nil; err = s.begin(c) {
			c.revive()
		}
	}
	c.rest(within)
	c.judge()
	return c.calls
}

// start starts a signer in a process of its own.
func (c *crossing) start(i int) {
	whole, keys := c.p.store, c.p.keys
	c.links[i] = &link{arrows: c.arrows}
	c.p.store, c.p.keys = arrowStore{whole, c.links[i]}, arrowKeys{keys, c.links[i]}
	c.o.signers[i] = c.o.start()
	c.p.store, c.p.keys = whole, keys
}

// revive starts a signer that has ended anew, or leaves all to the other.
func (c *crossing) revive() {
	for i, p := range c.links {
		if !p.dead {
			continue
		}
		c.o.signers[i].loop.stop()
		if len(c.links) > 1 {
			c.links = slices.Delete(c.links, i, i+1)
			c.o.signers = slices.Delete(c.o.signers, i, i+1)
		} else {
			c.start(i)
		}
		return
	}
}

// rest lets time pass until the keys of before are gone and nothing moves.
func (c *crossing) rest(within time.Duration) {
	c.t.Helper()
	c.revive() // after what was begun
	for end := time.Now().Add(within); ; {
		c.o.run(within/36, c.revive)
		if c.still(c.p.state()) {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("after %s: %s", within, strings.Join(c.p.waiting(c.o.signers[0]), "; "))
		}
	}
}

func (c *crossing) still(doc *state.Document) bool {
	set := doc.KeySet
	for _, k := range set.Keys {
		if !k.Retired.IsZero() || slices.Contains(c.before, k.ID) {
			return false
		}
		for _, s := range k.Records {
			if !s.Settled() {
				return false
			}
		}
	}
	return doc.Published && len(set.Requests)+len(doc.Doomed) == 0 && len(doc.Generations) < 2 && (len(set.Keys) > 0 || c.p.policy.Insecure)
}

// judge has no key lost, nor any too many.
func (c *crossing) judge() {
	if c.at != "" && !c.broken {
		c.t.Error("nothing was broken")
	}
	doc := c.p.state()
	entries, _ := c.p.keys.List(c.t.Context(), "example.org.")
	if known := len(doc.KeySet.Keys) + len(doc.Pool); len(entries) < known || len(entries) > known+1 {
		c.t.Errorf("%d keys in the key store, %d in the state", len(entries), known)
	}
	for _, k := range doc.KeySet.Keys {
		if _, err := os.Stat(filepath.Join(c.p.dir, k.ID+".private")); err != nil {
			c.t.Errorf("a key is lost: %v", err)
		}
	}
	for _, s := range c.o.signers {
		s.mustServe(c.t)
	}
}

// Each step of each tale is broken in each of the ways. What names no key's role
// is the same in all.
func TestArrows_EachIsBroken(t *testing.T) {
	known := map[string]bool{}
	for _, s := range tales {
		var calls [][]string
		synctest.Test(t, func(t *testing.T) { calls = cross(t, s, "", 0) })
		for _, step := range s.steps {
			if !slices.Contains(slices.Concat(calls...), step) {
				t.Errorf("%s: no %q among %q", s.name, step, calls)
			}
		}
		for _, steps := range calls {
			at := ""
			for _, step := range steps {
				in := step
				if strings.Contains(step, "SK") {
					in = s.name + ": " + step
				}
				if !known[in] {
					known[in], at = true, step
				}
			}
			for kind := range faults {
				if at == "" {
					break
				}
				t.Run(s.name+"/"+at+"/"+faultWords[kind], func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { cross(t, s, at, kind) })
				})
			}
		}
	}
}
