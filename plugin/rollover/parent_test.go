package rollover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// A parent whose DS are of other keys only speaks of another zone than the state
// does: nothing moves, and an operator is told which.
func TestStep_StrangersAtTheParent(t *testing.T) {
	comes := inService("new", policy.KSK)
	for _, r := range []Record{DNSKEY, KRRSIG, DS} {
		comes = comes.in(r, Hidden, Omnipresent)
	}
	s := ours(inService("old", policy.KSK), inService("zsk", policy.ZSK), comes)
	look := func(ours ...string) Facts {
		return Facts{Served: noon, Complete: noon, Parent: Observation{At: noon, Zone: "org.", Unknown: []uint16{4711, 815}, Servers: []Server{{Name: "a", Keys: ours}, {Name: "b"}}}}
	}
	plan := Step(noon, odd(), look(), s)
	for _, m := range plan.Moves {
		if m.To == "rumoured" && m.Record != "DS" || m.To == "unretentive" {
			t.Errorf("%+v", m)
		}
	}
	told := func(r Reason) bool {
		return strings.Contains(r.Waiting, "an operator") && strings.Contains(r.Waiting, "4711, 815")
	}
	if !slices.ContainsFunc(plan.Reasons, told) {
		t.Errorf("nobody is told: %+v", plan.Reasons)
	}
	if plan = Step(noon, odd(), look("old"), s); len(plan.KeySet.Published()) != 3 {
		t.Errorf("with one of ours among them the roll begins: %+v", plan.Moves)
	}
}

// What was seen before a move, or before what is known, is no answer to it.
func TestStep_LooksOfBeforeSayNothing(t *testing.T) {
	goes := retired(inService("goes", policy.KSK)).in(DS, Unretentive, Hidden)
	comes := inService("comes", policy.KSK).in(DS, Rumoured, Omnipresent)
	pending := goes
	pending.Records[DS].Pending = true
	said := goes
	said.DSGone = noon
	for _, c := range []struct {
		name       string
		key        Key
		at         time.Duration // of the look, after noon
		there      bool
		seen, gone bool
	}{
		{"gone before it was to go", goes, -time.Hour, false, false, false},
		{"gone", goes, 0, false, false, true},
		{"gone before that is served", pending, 0, false, false, false},
		{"there before it was to come", comes, -time.Hour, true, false, false},
		{"there", comes, 0, true, true, false},
		{"there before it was known to be gone", said, -time.Second, true, false, true},
		{"there again", said, time.Second, true, true, false},
	} {
		s := ours(inService("ksk", policy.KSK), inService("zsk", policy.ZSK), c.key)
		server := Server{Name: "a", Keys: []string{"ksk"}}
		if c.there {
			server.Keys = append(server.Keys, c.key.ID)
		}
		plan := Step(noon.Add(time.Minute), odd(), Facts{Complete: noon, Parent: Observation{At: noon.Add(c.at), Servers: []Server{server}}}, s)
		if k := plan.KeySet.Key(c.key.ID); k.DSSeen.IsZero() == c.seen || k.DSGone.IsZero() == c.gone {
			t.Errorf("%s: seen %s, gone %s", c.name, k.DSSeen, k.DSGone)
		}
	}
}

// Who insisted against what was seen is believed until every server agrees.
func TestStep_InsistedUntilAllAgree(t *testing.T) {
	comes := inService("key", policy.KSK).in(DS, Rumoured, Omnipresent)
	comes.DSSeen = noon
	goes := retired(inService("key", policy.KSK)).in(DS, Unretentive, Hidden)
	goes.DSGone = noon
	all, none, silent := Server{Keys: []string{"ksk", "key"}}, Server{Keys: []string{"ksk"}}, Server{Err: "timeout"}
	for _, c := range []struct {
		name    string
		key     Key
		servers []Server
		agreed  bool
	}{
		{"there, at some", comes, []Server{all, none}, false},
		{"there, at none", comes, []Server{none, none}, false},
		{"there, where it is known", comes, []Server{all, silent}, false},
		{"there", comes, []Server{all, all}, true},
		{"gone, at some", goes, []Server{all, none}, false},
		{"gone, at none", goes, []Server{all, all}, false},
		{"gone, where it is known", goes, []Server{none, silent}, false},
		{"gone", goes, []Server{none, none}, true},
	} {
		c.key.ByHand, c.key.Insisted = true, true
		s := ours(inService("ksk", policy.KSK), inService("zsk", policy.ZSK), c.key)
		at := noon.Add(time.Minute)
		plan := Step(at, odd(), Facts{Complete: noon, Parent: Observation{At: at, Servers: c.servers}}, s)
		k := plan.KeySet.Key("key")
		if k.Insisted == c.agreed || !k.DSSeen.Equal(c.key.DSSeen) || !k.DSGone.Equal(c.key.DSGone) {
			t.Errorf("%s: insisted %t, seen %s, gone %s", c.name, k.Insisted, k.DSSeen, k.DSGone)
		}
	}
}

// An operator's word counts until a server says something of that DS itself.
func TestStep_WordCountsUntilAServerTells(t *testing.T) {
	k := inService("key", policy.KSK).in(DS, Rumoured, Omnipresent)
	k.DSSeen, k.ByHand = noon, true
	for _, c := range []struct {
		name    string
		servers []Server
		byHand  bool
	}{
		{"nobody answers", []Server{{Err: "timeout"}, {Err: "timeout"}}, true},
		{"one has it", []Server{{Keys: []string{"key"}}, {Err: "timeout"}}, false},
		{"one has it not", []Server{{}, {Err: "timeout"}}, false},
	} {
		at := noon.Add(time.Minute)
		plan := Step(at, odd(), Facts{Complete: noon, Parent: Observation{At: at, Servers: c.servers}}, ours(inService("zsk", policy.ZSK), k))
		if got := plan.KeySet.Key("key").ByHand; got != c.byHand {
			t.Errorf("%s: by hand %t", c.name, got)
		}
	}
}

// A DS that is missing at one server is to be put there, though the zone does
// not depend on it.
func TestStep_DSMissingAtOneServer(t *testing.T) {
	ksk := inService("ksk", policy.KSK)
	ksk.DSSeen = noon.Add(-day)
	has, lacks := Server{Name: "a", Keys: []string{"ksk"}}, Server{Name: "b"}
	for _, c := range []struct {
		servers []Server
		tells   bool
	}{{[]Server{has, has}, false}, {[]Server{has, lacks}, true}, {[]Server{has, {Name: "b", Err: "timeout"}}, false}} {
		f := Facts{Served: noon, Complete: noon, Parent: Observation{At: noon, Servers: c.servers}}
		plan := Step(noon, odd(), f, ours(ksk, inService("zsk", policy.ZSK)))
		if plan.KeySet.Key("ksk").state(DS) != Omnipresent {
			t.Errorf("%+v: the DS is %s", c.servers, plan.KeySet.Key("ksk").state(DS))
		}
		for _, r := range plan.Reasons {
			if told := strings.Contains(r.Do, "have the parent publish"); r.Record == DS && told != c.tells || r.Record != DS && r.Do != "" {
				t.Errorf("%+v: %s: to do %q", c.servers, r.Record, r.Do)
			}
		}
	}
}

// A parent that cannot be asked: an operator's word takes the place of looks, for
// DS that are there and for DS that are gone.
func TestStep_DSByHand(t *testing.T) {
	w := quiet()
	w.ignores = true
	for _, s := range w.servers {
		s.down = true
	}
	w.command([]string{"roll", "KSK"})
	w.run(20 * day)
	if k := w.key(t, "KSK-1"); k.state(DS) != Unretentive {
		t.Fatalf("without a word the DS is %s", k.state(DS))
	}
	said := w.now
	for id, gone := range map[string]bool{"KSK-3": false, "KSK-1": true} {
		must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.ConfirmDS(o, id, gone) })
	}
	w.run(3 * day)
	w.wantServing(t, "ZSK-2", "KSK-3")
	hold := w.p.ParentPropagation + w.p.DSTTL
	for id, want := range map[string]time.Time{"KSK-3": said.Add(hold + w.p.PublishSafety), "KSK-1": said.Add(hold + w.p.RetireSafety)} {
		if got := w.key(t, id).Records[DS].Since; !got.Equal(want) {
			t.Errorf("%s settles at %s, want %s", id, moment(got), moment(want))
		}
	}
}

// One server says what all others do not: as long as they disagree nothing is
// known of a DS, neither that it is there nor that it is gone.
func TestStep_AllServersMustAgree(t *testing.T) {
	w := quiet()
	w.ignores = true
	w.command([]string{"roll", "KSK"})
	w.run(day)
	for _, c := range []struct{ a, b string }{{"KSK-1", "KSK-3"}, {"KSK-3", "KSK-1"}, {"KSK-1 KSK-3", "KSK-1"}, {"KSK-3", "KSK-1 KSK-3"}} {
		w.servers[0].keys, w.servers[1].keys = strings.Fields(c.a), strings.Fields(c.b)
		w.run(10 * day)
		if old := w.key(t, "KSK-1"); old.state(DS) != Unretentive || !old.DSGone.IsZero() {
			t.Errorf("%v: the old DS is %s, gone since %s", c, old.state(DS), old.DSGone)
		}
		everywhere := strings.Contains(c.a, "KSK-3") && strings.Contains(c.b, "KSK-3")
		if k := w.key(t, "KSK-3"); k.DSSeen.IsZero() == everywhere || (k.state(DS) == Omnipresent) != everywhere {
			t.Errorf("%v: the new DS is %s, seen since %s", c, k.state(DS), k.DSSeen)
		}
	}
	w.servers[1].keys = []string{"KSK-3"}
	w.run(5 * day)
	w.wantServing(t, "ZSK-2", "KSK-3")
}

// P5: at every moment some DS of every parent server leads to a key that is
// published and signs the DNSKEY set, however slow each of them is.
func TestStep_P5_EveryServersDSLeads(t *testing.T) {
	for n := range 8 {
		w := quiet()
		w.servers[0].delay, w.servers[1].delay = time.Duration(n)*13*time.Hour, time.Duration(7-n)*29*time.Hour
		w.watch = func(before KeySet, _ Facts, _ Plan) {
			for _, s := range w.servers {
				if !slices.ContainsFunc(s.keys, func(id string) bool {
					return slices.Contains(before.Published(), id) && slices.Contains(before.DNSKEYSigners(), id)
				}) {
					t.Fatalf("%s at %s has DS of %v, published are %v", s.name, w.at(), s.keys, before.Published())
				}
			}
		}
		for _, begin := range []string{"KSK", "emergency KSK", "algorithm"} {
			changes[begin](w)
			w.run(6 * day)
		}
		w.run(60 * day)
		w.wantEnd(t, "P5")
	}
}
