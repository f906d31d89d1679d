package autosign

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/source"
	"github.com/autosign-dns/autosign/plugin/zone"
)

const aboveZone = `
@	3600	IN	SOA	ns1 hostmaster 10 7200 3600 345600 300
@	3600	IN	NS	ns1
ns1	3600	IN	A	192.0.2.1
example	3600	IN	NS	ns1.example
ns1.example	3600	IN	A	192.0.2.1
other	3600	IN	NS	ns1.example
`

// zoneText is a source that holds a zone of any name as text.
type zoneText struct {
	mu           sync.Mutex
	origin, text string
	gen          int
}

func (z *zoneText) set(text string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.text = text
	z.gen++
}

// Changed implements source.Source.
func (z *zoneText) Changed(since source.Generation) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return since != source.Generation(z.gen)
}

// Load implements source.Source.
func (z *zoneText) Load(_ context.Context, prev *zone.Zone) (source.Snapshot, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	parsed, warnings, err := parseZone(z.origin, z.text, prev)
	if err != nil {
		return source.Snapshot{}, err
	}
	return source.Snapshot{Generation: z.gen, Zone: parsed, Warnings: warnings, Serial: soaSerial(parsed)}, nil
}

// member returns another zone of a place, in the loop of a signer and without a
// parent.
func (p *place) member(beside *signer, origin, view, text string) *signer {
	wire, _ := appendWire(nil, origin)
	s := &signer{
		zone: origin, origin: wire, view: view, policy: p.policy, dir: p.dir, source: &zoneText{origin: origin, text: text},
		docs: newDocuments(p.store, origin, view), box: keyBox{store: p.keys, zone: origin}, copies: p.copies,
		parent: p.parent, freshStore: true, clock: beside.clock, crew: newCrew(),
	}
	s.asOf = time.Now()
	s.policy.NoParent, s.policy.ParentLocal = true, false
	s.effective = s.policy
	beside.loop.add(s)
	return s
}

// family starts a child with parent local, and its parents, one in each view.
func (p *place) family(t *testing.T, text string, views ...string) (child *signer, parents []*signer) {
	t.Helper()
	p.policy.ParentLocal = true
	child = p.signer()
	inst := &instance{signers: map[identity]*signer{{child.zone, child.view}: child}, loop: child.loop}
	for _, v := range views {
		s := p.member(child, "org.", v, text)
		inst.signers[identity{s.zone, s.view}] = s
		parents = append(parents, s)
		s.attend(inst, nil)
	}
	child.attend(inst, newUpper())
	child.loop.start()
	t.Cleanup(child.loop.stop)
	synctest.Wait()
	return child, parents
}

// tagsAt returns the tags of the DS set that a parent serves for a child.
func tagsAt(s, child *signer) (tags []uint16) {
	list, _, _ := s.delegationOf(child)
	for _, d := range list {
		tags = append(tags, d.KeyTag)
	}
	return tags
}

// The DS of a child goes to its parent without anybody's help, in every view,
// through a first signing, a KSK roll, and away.
func TestLocalParent_TakesTheDS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		child, parents := p.family(t, aboveZone, "inside", "outside")
		defer child.loop.stop()
		old := p.of(policy.KSK)
		tag := p.state().KeySet.Key(old).Tag
		for _, s := range parents {
			if got := tagsAt(s, child); len(got) != 0 {
				t.Errorf("%s has DS %d before every cache has the signed zone", s.label(), got)
			}
		}
		wait(t, "delegated", 3*day, p.in(old, rollover.DS, rollover.Omnipresent))
		for _, s := range parents {
			if got := tagsAt(s, child); !slices.Equal(got, []uint16{tag}) {
				t.Errorf("%s has DS %d, want %d", s.label(), got, tag)
			}
			s.mustServe(t)
		}
		st, _ := child.status()
		if d := st.Parent; d.Kind != "local" || len(d.Servers) != 2 || d.Wanted[0].Seen != 2 || d.Zone != "org." || d.TTL != 86400 {
			t.Errorf("explained as %+v", d)
		}
		if _, err := child.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "rid of the old key", 10*day, p.in(old, rollover.DNSKEY, rollover.Hidden))
		fresh := p.state().KeySet.Key(p.of(policy.KSK)).Tag
		if got := tagsAt(parents[0], child); !slices.Equal(got, []uint16{fresh}) || fresh == tag {
			t.Errorf("after the roll the parent has DS %d, want %d", got, fresh)
		}
	})
}

// The parent is edited and restarted, and keeps the DS of its child: also while
// the child has not said yet what it wants.
func TestLocalParent_KeepsTheDS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		child, parents := p.family(t, aboveZone, "")
		defer child.loop.stop()
		wait(t, "delegated", 3*day, p.in(p.of(policy.KSK), rollover.DS, rollover.Omnipresent))
		want := tagsAt(parents[0], child)
		parents[0].source.(*zoneText).set(strings.Replace(aboveZone, "hostmaster 10", "hostmaster 11", 1) + "new 3600 IN A 192.0.2.9\n")
		if err := parents[0].Sign(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := tagsAt(parents[0], child); !slices.Equal(got, want) {
			t.Errorf("after an edit: DS %d, want %d", got, want)
		}
		child.loop.stop()
		again := p.member(child, "org.", "", aboveZone) // its state is there
		child.wanted.Store(nil)
		child.inst = &instance{signers: map[identity]*signer{{"org.", ""}: again, {child.zone, ""}: child}}
		again.attend(child.inst, nil)
		if err := again.run(t); err != nil {
			t.Fatal(err)
		}
		if got := tagsAt(again, child); !slices.Equal(got, want) {
			t.Errorf("after a restart, before the child is there: DS %d, want %d", got, want)
		}
	})
}

// A child leaves DNSSEC: its DS goes from the parent first.
func TestLocalParent_DropsTheDS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		child, _ := p.family(t, aboveZone, "")
		wait(t, "delegated", 3*day, p.in(p.of(policy.KSK), rollover.DS, rollover.Omnipresent))
		child.loop.stop()
		p.policy.Insecure = true
		child, parents := p.family(t, aboveZone, "")
		defer child.loop.stop()
		began := time.Now()
		wait(t, "unsigned", 10*day, func() bool { return child.served.Load().signed.Unsigned })
		if held := time.Since(began); held < p.policy.DSTTL || len(tagsAt(parents[0], child)) != 0 {
			t.Errorf("unsigned after %s, with DS %d at the parent", held, tagsAt(parents[0], child))
		}
		parents[0].mustServe(t)
	})
}

// DS records that the parent's own records have stay as long as the child has
// asked for none, and keys do not move under them.
func TestLocalParent_LeavesTheDSOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.policy.NewKeys = policy.Always
		text := aboveZone + "example 3600 IN DS 7 15 2 00000000000000000000000000000000000000000000000000000000000000AA\n"
		child, parents := p.family(t, text, "")
		defer child.loop.stop()
		time.Sleep(10 * day)
		synctest.Wait()
		if got := tagsAt(parents[0], child); !slices.Equal(got, []uint16{7}) {
			t.Errorf("DS %d at the parent, want 7", got)
		}
		if st, _ := child.status(); !slices.Equal(st.Parent.Unknown, []uint16{7}) {
			t.Errorf("unknown DS %d are told of, want 7", st.Parent.Unknown)
		}
	})
}

func TestLocalParent_ThatIsNotThere(t *testing.T) {
	for _, c := range []struct {
		name  string
		text  string
		views []string
		want  string
	}{
		{"no zone above", "", nil, "no zone above is signed by this server"},
		{"no delegation", strings.ReplaceAll(aboveZone, "example", "elsewhere"), []string{""}, "it has no delegation of example.org."},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t)
				child, parents := p.family(t, c.text, c.views...)
				defer child.loop.stop()
				time.Sleep(10 * day)
				synctest.Wait()
				child.mustServe(t)
				for _, s := range parents {
					s.mustServe(t)
				}
				st, _ := child.status()
				if !strings.Contains(st.String(), c.want) {
					t.Errorf("explained without %q:\n%s", c.want, st)
				}
				if !p.in(p.of(policy.KSK), rollover.DNSKEY, rollover.Omnipresent)() {
					t.Error("what does not hang on the parent did not move")
				}
			})
		})
	}
}

func TestKin_NearestParentInTheChildsView(t *testing.T) {
	inst := &instance{signers: map[identity]*signer{}}
	for _, id := range []identity{{".", ""}, {"org.", ""}, {"org.", "in"}, {"org.", "out"}, {"example.org.", "in"}, {"net.", "in"}} {
		wire, _ := appendWire(nil, id.zone)
		inst.signers[id] = &signer{zone: id.zone, origin: wire, view: id.view}
	}
	for _, c := range []struct {
		child identity
		want  string
	}{
		{identity{"example.org.", ""}, "org.; org. in view in; org. in view out"},
		{identity{"example.org.", "in"}, "org. in view in"},
		{identity{"example.org.", "third"}, "org."},
		{identity{"a.b.example.org.", "in"}, "example.org. in view in"},
		{identity{"a.b.example.org.", "out"}, "org. in view out"},
		{identity{"example.com.", "in"}, "."},
		{identity{"example.net.", "out"}, "."},
		{identity{"org.", ""}, "."},
		{identity{".", ""}, ""},
	} {
		wire, _ := appendWire(nil, c.child.zone)
		var got []string
		for _, s := range inst.relations().parents(&signer{zone: c.child.zone, origin: wire, view: c.child.view}) {
			got = append(got, s.label())
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%v: got %q, want %q", c.child, text, c.want)
		}
	}
}

// Who takes parent local away has the DS leave the parent with it. The log says so
// when that is decided and when it is seen, both with the record to put back.
func TestLocalParent_LeftWithTheDSInIt(t *testing.T) {
	heard := listen(t)
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		child, _ := p.family(t, aboveZone, "")
		ksk := p.of(policy.KSK)
		wait(t, "delegated", 3*day, p.in(ksk, rollover.DS, rollover.Omnipresent))
		record := dsText(child.origin, child.publicKeys(&p.state().KeySet)[ksk])
		child.loop.stop()
		heard.of()
		p.policy.ParentLocal = false
		r := newUpper("a.")
		s := p.attended(t, r)
		defer s.loop.stop()
		wait(t, "seeing that it is gone", 3*day, p.in(ksk, rollover.DS, rollover.Rumoured))
		lines := heard.of(event.Warned)
		for i, want := range []string{"parent local is no longer set", "this server has taken it away itself"} {
			if len(lines) != 2 || !strings.Contains(lines[i], want) || !strings.HasSuffix(lines[i], ": "+record) {
				t.Errorf("%q, want %q and the record", lines, want)
			}
		}
		r.follow(t, s, "a.")
		wait(t, "delegated again", 3*day, p.in(ksk, rollover.DS, rollover.Omnipresent))
	})
}

// A parent in this process keeps what it has of a child whose keys cannot be read.
func TestLocalParent_KeyThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		child, parents := p.family(t, aboveZone, "")
		defer child.loop.stop()
		ksk := p.of(policy.KSK)
		wait(t, "delegated", 3*day, p.in(ksk, rollover.DS, rollover.Omnipresent))
		before, tags, set := child.wanted.Load(), tagsAt(parents[0], child), p.state().KeySet
		child.want(&set, wish{keys: delegated(&set)}, nil)
		if now := child.wanted.Load(); len(tags) != 1 || !now.equal(before) {
			t.Errorf("the parent has DS %d, and is to have %x", tags, now.rdata)
		}
	})
}

func TestLocalDS_Equal(t *testing.T) {
	of := func(ttl uint32, leave bool, rdata string) *localDS {
		return &localDS{ttl: ttl, leave: leave, rdata: [][]byte{[]byte(rdata)}}
	}
	for _, c := range []struct {
		a, b *localDS
		want bool
	}{
		{of(1, false, "a"), of(1, false, "a"), true},
		{of(1, true, "a"), of(1, true, "a"), true},
		{of(1, false, "a"), of(2, false, "a"), false},
		{of(1, false, "a"), of(1, true, "a"), false},
		{of(1, false, "a"), of(1, false, "b"), false},
		{of(1, false, "a"), nil, false},
		{nil, of(1, false, "a"), false},
	} {
		if c.a.equal(c.b) != c.want {
			t.Errorf("%+v and %+v: equal is %t", c.a, c.b, !c.want)
		}
	}
}
