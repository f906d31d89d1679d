package autosign

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/store"
)

// The tests here stop a signer, or let a call fail, at each arrow of the way
// from a policy to keys: when a key is made or destroyed, and whenever the
// stored keys change; before the call is done, and behind it. Then life goes on.

// fault is what happens at an arrow.
type fault uint8

const (
	stopBefore fault = iota // the process ends, and the call is not made
	stopAfter               // the process ends when it is done
	notDone                 // the call fails
	notTold                 // the call is done, and nobody is told
	faults
)

var faultWords = [faults]string{"stop before", "stop after", "not done", "done, but not told"}

var errArrow = errors.New("the arrow breaks")

// arrows counts the calls that matter and breaks one of them.
type arrows struct {
	n, at int
	kind  fault
	names []string
	dead  bool
}

// cross makes a call that matters.
func (a *arrows) cross(name string, call func() error) error {
	if a.dead {
		return errArrow
	}
	a.n++
	a.names = append(a.names, name)
	if a.n != a.at {
		return call()
	}
	a.dead = a.kind == stopBefore || a.kind == stopAfter
	if a.kind == stopAfter || a.kind == notTold {
		if err := call(); err != nil {
			return err
		}
	}
	return errArrow
}

func (a *arrows) alive(call func() error) error {
	if a.dead {
		return errArrow
	}
	return call()
}

type arrowStore struct {
	store.Store
	a *arrows
}

func (s arrowStore) Load(ctx context.Context, name string) (data []byte, rev store.Revision, err error) {
	err = s.a.alive(func() error { data, rev, err = s.Store.Load(ctx, name); return err })
	return data, rev, err
}

func (s arrowStore) Swap(ctx context.Context, name string, old store.Revision, data []byte) (rev store.Revision, err error) {
	call := func() error { rev, err = s.Store.Swap(ctx, name, old, data); return err }
	before, _, _ := s.Store.Load(ctx, name)
	if what := keysChanged(before, data); what != "" {
		return rev, s.a.cross("store "+what, call)
	}
	return rev, s.a.alive(call)
}

// keysChanged says what two documents differ in of all that concerns keys.
func keysChanged(before, after []byte) string {
	a, err := state.Decode(before, "example.org.")
	b, errB := state.Decode(after, "example.org.")
	if errB != nil {
		return ""
	}
	if err != nil {
		return "the first document"
	}
	var what []string
	for _, part := range []struct {
		name        string
		before, now any
	}{
		{"keys", a.KeySet.Keys, b.KeySet.Keys}, {"pool", a.Pool, b.Pool},
		{"doomed", a.Doomed, b.Doomed}, {"generations", a.Generations, b.Generations},
	} {
		if !reflect.DeepEqual(part.before, part.now) {
			what = append(what, part.name)
		}
	}
	return strings.Join(what, " and ")
}

type arrowKeys struct {
	keystore.Keystore
	a *arrows
}

func (k arrowKeys) Create(ctx context.Context, zone string, spec keystore.Spec) (e keystore.Entry, err error) {
	err = k.a.cross("create "+spec.Role.String(), func() error { e, err = k.Keystore.Create(ctx, zone, spec); return err })
	return e, err
}

func (k arrowKeys) Destroy(ctx context.Context, zone, id string) error {
	return k.a.cross("destroy", func() error { return k.Keystore.Destroy(ctx, zone, id) })
}

func (k arrowKeys) List(ctx context.Context, zone string) (list []keystore.Entry, err error) {
	err = k.a.alive(func() error { list, err = k.Keystore.List(ctx, zone); return err })
	return list, err
}

func (k arrowKeys) Open(ctx context.Context, zone, id string) (s crypto.Signer, err error) {
	err = k.a.alive(func() error { s, err = k.Keystore.Open(ctx, zone, id); return err })
	return s, err
}

// hasty makes a place with a policy of seconds and minutes.
func hasty(t *testing.T) *place {
	p := newPlace(t)
	p.source.set(strings.ReplaceAll(testZone, "3600\tIN", "60\tIN"))
	q := &p.policy
	q.Validity, q.ValidityDNSKEY, q.Refresh, q.DNSKEYTTL = time.Hour, time.Hour, 20*time.Minute, 60
	q.ZonePropagation, q.PublishSafety, q.RetireSafety = 10*time.Second, 10*time.Second, 10*time.Second
	q.DSTTL, q.ParentPropagation, q.PurgeKeys = 2*time.Minute, time.Minute, 10*time.Minute
	q.ZSKLifetime, q.KSKLifetime = 3*time.Hour, 150*time.Minute
	return p
}

// crossing is one life with a fault in it; it returns the arrows that were
// crossed. With an heir another signer works on the same store, and goes on alone.
func crossing(t *testing.T, at int, kind fault, heir bool) *arrows {
	p := hasty(t)
	a := &arrows{at: at, kind: kind}
	whole, keys := p.store, p.keys
	p.store, p.keys = arrowStore{whole, a}, arrowKeys{keys, a}
	o := observe(t, p, 1)
	defer func() { o.stop() }()
	o.delay = 2 * time.Minute
	p.store, p.keys = whole, keys // of those that come after
	if heir {
		o.many = true
		o.signers = append(o.signers, o.start())
	}
	revive := func() {
		if !a.dead {
			return
		}
		o.signers[0].loop.stop()
		if a.dead = false; len(o.signers) > 1 {
			o.signers = o.signers[1:]
		} else {
			o.signers[0] = o.start()
		}
	}
	o.run(5*time.Hour, revive)
	if len(p.state().UsedTags) < 8 { // first keys that were found again may have been in caches for a day
		o.run(lookBack+5*time.Hour, revive)
	}
	doc := p.state()
	entries, _ := keys.List(t.Context(), "example.org.")
	if known := len(doc.KeySet.Keys) + len(doc.Pool) + len(doc.Doomed); len(entries) < known || len(entries) > known+1 {
		t.Errorf("%d keys in the key store, %d in the state", len(entries), known)
	}
	for _, k := range doc.KeySet.Keys {
		if _, err := os.Stat(filepath.Join(p.dir, k.ID+".private")); err != nil {
			t.Errorf("a key is lost: %v", err)
		}
	}
	if len(doc.UsedTags) < 8 { // each key has two
		t.Errorf("no key was replaced: %d tags; %s", len(doc.UsedTags), strings.Join(p.waiting(o.signers[0]), "; "))
	}
	return a
}

func TestArrows_EachIsBroken(t *testing.T) {
	var all *arrows
	synctest.Test(t, func(t *testing.T) { all = crossing(t, 0, stopBefore, false) })
	kinds := map[string]int{}
	for at, name := range all.names {
		if kinds[name]++; kinds[name] > 1 { // more of the same tell nothing new
			continue
		}
		for kind := range faults {
			t.Run(fmt.Sprintf("%d %s/%s", at+1, name, faultWords[kind]), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { crossing(t, at+1, kind, false) })
			})
		}
		// P3: whoever takes over goes on with the keys as they are.
		t.Run(fmt.Sprintf("%d %s/an heir", at+1, name), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { crossing(t, at+1, stopAfter, true) })
		})
	}
	for _, name := range []string{"create KSK", "create ZSK", "destroy", "store pool", "store keys", "store generations"} {
		if kinds[name] == 0 {
			t.Errorf("no %s among %v", name, kinds)
		}
	}
}
