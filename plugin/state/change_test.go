package state

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

func TestClaim_SameDigestSameSerial(t *testing.T) {
	d := New("example.org.")
	if _, ok := d.Last(); ok || d.Published {
		t.Fatal("a new document has a claim")
	}
	for _, c := range []struct {
		name       string
		serial     uint32
		digest     int
		least      uint32
		want       uint32
		added      bool
		wantClaims int
	}{
		{"first", 5, 1, 1, 5, true, 1},
		{"a replica with the same zone", 6, 1, 1, 5, false, 1},
		{"new content", 6, 2, 1, 6, true, 2},
		{"back to what it was", 7, 1, 1, 7, true, 3},
		{"a source that raised its serial alone", 20, 1, 20, 20, true, 4},
		{"a replica of that", 21, 1, 20, 20, false, 4},
	} {
		serial, added, err := d.Claim(Claim{Serial: c.serial, Digest: digest(c.digest)}, c.least)
		if serial != c.want || added != c.added || err != nil || len(d.Claims) != c.wantClaims || !d.Published {
			t.Errorf("%s: got serial %d, added %v, error %v, %d claims", c.name, serial, added, err, len(d.Claims))
		}
	}
}

// P13: whatever the number handed in, the serials of a zone only go up.
func TestClaim_P13_SerialsOnlyGoUp(t *testing.T) {
	for _, c := range []struct {
		last, next uint32
		ok         bool
	}{
		{1, 2, true},
		{1, 1, false},
		{2, 1, false},
		{1<<32 - 1, 0, true}, // over the top (RFC 1982)
		{0, 1<<32 - 1, false},
		{5, 5 + 1<<31 - 1, true},
		{5, 5 + 1<<31, false}, // undefined order
		{2026030100, 1, false},
	} {
		d := New("example.org.")
		if _, _, err := d.Claim(Claim{Serial: c.last, Digest: digest(1)}, 0); err != nil {
			t.Fatal(err)
		}
		_, _, err := d.Claim(Claim{Serial: c.next, Digest: digest(2)}, 0)
		if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrSerial) {
			t.Errorf("%d after %d: %v", c.next, c.last, err)
		}
		if last, _ := d.Last(); !c.ok && last.Serial != c.last {
			t.Errorf("%d after %d is refused but changed the document", c.next, c.last)
		}
	}
}

func TestClaim_KeepsTheLast(t *testing.T) {
	d := New("example.org.")
	for n := range 3 * MaxClaims {
		if _, _, err := d.Claim(Claim{Serial: uint32(n), Digest: digest(n)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if last, _ := d.Last(); len(d.Claims) != MaxClaims || last.Serial != 3*MaxClaims-1 || d.Claims[0].Serial != 2*MaxClaims {
		t.Errorf("got %d claims from %d to %d", len(d.Claims), d.Claims[0].Serial, last.Serial)
	}
	if _, _, err := d.Claim(Claim{Serial: 1 << 20, Digest: "abc"}, 0); err == nil {
		t.Error("a claim without a digest is taken")
	}
}

// P2: a tag belongs to one key for ever, also after the key is forgotten.
func TestAddKey_P2_TagsAreUsedOnce(t *testing.T) {
	d := New("example.org.")
	for _, tag := range []int{300, 100, 200} {
		if err := d.AddKey(testKey(tag, policy.ZSK)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.AddKey(testKey(100, policy.ZSK)); err == nil {
		t.Error("a key is added twice")
	}
	other := testKey(100, policy.KSK)
	other.ID, other.Algorithm, other.PublicDigest = "Kexample.org.+015+00100", 15, digest(101)
	if err := d.AddKey(other); !errors.Is(err, ErrTagUsed) {
		t.Errorf("a key of another role and algorithm with a tag in use: %v", err)
	}
	d.KeySet.Keys = d.KeySet.Keys[:0]
	if err := d.AddKey(other); !errors.Is(err, ErrTagUsed) || d.Key(other.ID) != nil {
		t.Errorf("a key with the tag of a forgotten key: %v", err)
	}
	if err := d.AddKey(testKey(100, policy.ZSK)); err != nil {
		t.Errorf("a key that comes back has its own tag: %v", err)
	}
	if err := d.UseTag(300, digest(301)); !errors.Is(err, ErrTagUsed) {
		t.Errorf("a tag noted for another key: %v", err)
	}
	for tag, want := range map[uint16]bool{99: false, 100: true, 101: false, 200: true, 300: true, 301: false} {
		if d.TagUsed(tag) != want {
			t.Errorf("tag %d: used %v, want %v", tag, !want, want)
		}
	}
	if _, err := d.Encode(); err != nil {
		t.Error(err)
	}
}

// Whoever finds a key in the store asks this before it is destroyed.
func TestNames_KeysSparesAndTheDoomed(t *testing.T) {
	d := full(t)
	for n, want := range map[int]bool{1: true, 4: true, 5: true, 6: false} {
		if got := d.Names(testKey(n, policy.ZSK).ID); got != want {
			t.Errorf("key %d is named: %t", n, got)
		}
	}
	for n := 1; n <= 5; n++ {
		if err := d.AddSpare(testSpare(n)); err == nil {
			t.Errorf("key %d is added a second time", n)
		}
	}
}

func TestKey_CanBeChangedInPlace(t *testing.T) {
	d := full(t)
	d.Key("Kexample.org.+013+00002").Retire = start
	if !d.KeySet.Keys[1].Retire.Equal(start) {
		t.Error("the change is lost")
	}
	if d.Key("K.+013+00001") != nil {
		t.Error("a key that is not there is found")
	}
}

func TestAddGeneration_TwoLiveAtMost(t *testing.T) {
	at := func(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }
	for _, c := range []struct {
		name string
		add  []Generation
		want []Generation
	}{
		{"first", []Generation{generation(at(0), 2)}, []Generation{generation(at(0), 2)}},
		{"same again", []Generation{generation(at(0), 2), generation(at(5), 2)}, []Generation{generation(at(0), 2)}},
		{"successor", []Generation{generation(at(0), 2), generation(at(5), 3)},
			[]Generation{generation(at(0), 2), generation(at(5), 3)}},
		{"third", []Generation{generation(at(0), 2), generation(at(5), 3), generation(at(6), 4)},
			[]Generation{generation(at(5), 3), generation(at(6), 4)}},
		{"same moment", []Generation{generation(at(0), 2), generation(at(5), 3), generation(at(5), 4)},
			[]Generation{generation(at(0), 2), generation(at(5), 4)}},
		{"clock put back", []Generation{generation(at(0), 2), generation(at(5), 3), generation(at(4), 4)},
			[]Generation{generation(at(0), 2), generation(at(4), 4)}},
		{"clock put back far", []Generation{generation(at(3), 2), generation(at(5), 3), generation(at(2), 4)},
			[]Generation{generation(at(2), 4)}},
	} {
		d := New("example.org.")
		for _, g := range c.add {
			d.AddGeneration(g)
		}
		equal := func(a, b Generation) bool { return a.Same(b) && a.Since.Equal(b.Since) }
		if !slices.EqualFunc(d.Generations, c.want, equal) {
			t.Errorf("%s: got %+v", c.name, d.Generations)
		}
	}
}

func TestAddGeneration_SeesEveryDifference(t *testing.T) {
	for name, change := range map[string]func(*Generation){
		"validity":        func(g *Generation) { g.Validity++ },
		"validity DNSKEY": func(g *Generation) { g.ValidityDNSKEY++ },
		"refresh":         func(g *Generation) { g.Refresh++ },
		"ZSKs":            func(g *Generation) { g.ZSKs = nil },
	} {
		d := New("example.org.")
		d.Collapse(generation(start, 2))
		g := generation(start.Add(time.Hour), 2)
		change(&g)
		if !d.AddGeneration(g) || len(d.Generations) != 2 {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestPruneGenerations_WaitsForAPeriod(t *testing.T) {
	d := New("example.org.")
	period := 200 * time.Hour
	if d.PruneGenerations(start.Add(period), period) {
		t.Error("pruned nothing")
	}
	d.AddGeneration(generation(start, 2))
	d.AddGeneration(generation(start.Add(time.Hour), 3))
	if d.PruneGenerations(start.Add(period), period) || len(d.Generations) != 2 {
		t.Error("pruned before the newer generation is a period old")
	}
	if !d.PruneGenerations(start.Add(time.Hour+period), period) || len(d.Generations) != 1 || d.Generations[0].ZSKs[0] != testKey(3, policy.ZSK).ID {
		t.Errorf("got %+v", d.Generations)
	}
	if d.PruneGenerations(start.Add(10*period), period) {
		t.Error("the only generation is pruned")
	}
}

func TestSetPolicy_CountsChanges(t *testing.T) {
	d := New("example.org.")
	p := PolicyOf(policy.Default())
	for want := range 3 {
		p.DNSKEYTTL = uint32(want)
		for again := range 2 {
			if d.SetPolicy(p) != (again == 0) || d.PolicyRevision != want+1 {
				t.Errorf("revision %d after change %d", d.PolicyRevision, want+1)
			}
		}
	}
}

// P17: what was ever published counts, also when it is gone from the zone.
func TestExpose_P17_OnlyGrows(t *testing.T) {
	d := full(t)
	ksk, zsk, idle := d.KeySet.Keys[0].ID, d.KeySet.Keys[1].ID, d.KeySet.Keys[2].ID
	most := d.Key(ksk).Exposure
	d.Expose(60, start, ksk, "unknown")
	if got := d.Key(ksk).Exposure; got != most || most.MaxTTL == 0 || most.LatestExpiry.IsZero() {
		t.Errorf("exposure shrank to %+v", got)
	}
	longer := most.LatestExpiry.Add(time.Hour)
	d.Expose(60, longer, zsk)
	if got, want := d.Key(zsk).Exposure, (rollover.Exposure{MaxTTL: most.MaxTTL, LatestExpiry: longer}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if d.Key(ksk).Exposure != most || d.Key(idle).Exposure != (rollover.Exposure{}) {
		t.Error("a key is exposed that did not sign")
	}
}

func TestSee_TimeDoesNotGoBack(t *testing.T) {
	d := New("example.org.")
	d.See(start)
	d.See(start.Add(-time.Hour))
	if !d.LastSeen.Equal(start) {
		t.Errorf("last seen %s", d.LastSeen)
	}
}

// A key is in one place only: what leaves the key set is doomed, what enters it
// leaves the pool.
func TestSetKeys_PoolAndDoomed(t *testing.T) {
	d := full(t)
	if err := d.AddSpare(testSpare(6)); err != nil {
		t.Fatal(err)
	}
	set := d.KeySet.Clone()
	taken := testKey(4, policy.ZSK)
	forgotten := set.Keys[0].ID
	set.Keys = append(set.Keys[1:], taken)
	d.SetKeys(set)
	if len(d.Pool) != 1 || d.Spare(testSpare(6).ID) == nil || !slices.Contains(d.Doomed, forgotten) {
		t.Errorf("pool %v, doomed %v", d.Pool, d.Doomed)
	}
	for _, id := range []string{taken.ID, forgotten, set.Keys[0].ID} {
		if !d.Names(id) {
			t.Errorf("%s is not known", id)
		}
	}
	if d.Names("another") {
		t.Error("a stray key is known")
	}
	if err := d.AddSpare(testSpare(4)); err == nil {
		t.Error("a key of the key set is put into the pool")
	}
	other := testSpare(9)
	if other.Tag = 2; !errors.Is(d.AddSpare(other), ErrTagUsed) || d.Spare(other.ID) != nil {
		t.Error("a key with the tag of another is put into the pool")
	}
	if _, err := d.Encode(); err != nil {
		t.Error(err)
	}
}
