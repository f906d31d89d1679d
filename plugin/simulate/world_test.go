package simulate

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// at returns when a record of a key first came into a state.
func at(t *testing.T, h *History, key, record, state string) time.Duration {
	t.Helper()
	for _, x := range h.Transitions {
		if x.Key == key && x.Record == record && x.To == state {
			return x.At.Sub(h.Start)
		}
	}
	t.Fatalf("%s of %s never came to be %s:\n%s", record, key, state, h.Text())
	return 0
}

// quiet is a zone in which nothing rolls by itself, with a parent that takes
// exactly a day and two hours.
func quiet(events ...Event) Setup {
	s, _, _ := Story("ksk")
	s.Events = events
	s.For = 60 * day
	return s
}

// TestRun_IntervalsAreThoseOfTheRFC recomputes the intervals of RFC 7583 from
// the policy and holds the stories to them, to the second.
func TestRun_IntervalsAreThoseOfTheRFC(t *testing.T) {
	p := policy.Default()
	ttl := time.Duration(p.DNSKEYTTL) * time.Second
	publish := p.ZonePropagation + ttl + p.PublishSafety                                     // Ipub, RFC 7583 section 3.2.1
	resign := policy.Period(p.Validity, p.Refresh) + policy.SlotWidth(p.Validity, p.Refresh) // Dsgn
	forget := resign + p.ZonePropagation + day + p.RetireSafety                              // Iret of a ZSK
	const begin = begins * day
	tests := []struct {
		story, key, record, state string
		want                      time.Duration
	}{
		{"zsk", "ZSK 2", "DNSKEY", "rumoured", begin},
		{"zsk", "ZSK 2", "DNSKEY", "omnipresent", begin + publish},
		{"zsk", "ZSK 2", "ZRRSIG", "rumoured", begin + publish},
		{"zsk", "ZSK 1", "ZRRSIG", "hidden", begin + publish + forget},
		{"zsk", "ZSK 1", "DNSKEY", "unretentive", begin + publish + forget},
		{"ksk", "KSK 2", "DS", "rumoured", begin + publish},
		{"ksk", "KSK 1", "DS", "unretentive", begin + publish},
		{"algorithm", "ZSK 2", "ZRRSIG", "rumoured", begin},
		{"algorithm", "ZSK 2", "DNSKEY", "rumoured", begin + resign + p.ZonePropagation + day + p.PublishSafety},
		{"emergency", "ZSK 2", "ZRRSIG", "rumoured", begin + p.ZonePropagation + ttl},
		{"emergency", "ZSK 1", "ZRRSIG", "hidden", begin + p.ZonePropagation + ttl + p.ZonePropagation + day},
	}
	for _, tt := range tests {
		s, _, err := Story(tt.story)
		if err != nil {
			t.Fatal(err)
		}
		if got := at(t, Run(s), tt.key, tt.record, tt.state); got != tt.want {
			t.Errorf("%s: %s of %s is %s after %v, want %v", tt.story, tt.record, tt.key, tt.state, got, tt.want)
		}
	}
}

// TestRun_DSIsGoneWhenTheParentHasActed: the old DS is taken for forgotten a
// TTL and a propagation delay after the first look at which no server had it.
func TestRun_DSIsGoneWhenTheParentHasActed(t *testing.T) {
	s, _, _ := Story("ksk")
	p := s.Policy
	swap := begins*day + p.ZonePropagation + time.Hour + p.PublishSafety
	acted := swap + s.Parent.Delay + s.Parent.Spread
	look := (acted + time.Hour).Truncate(time.Hour)
	want := look + p.ParentPropagation + p.DSTTL + p.RetireSafety
	if got := at(t, Run(s), "KSK 1", "DS", "hidden"); got != want {
		t.Errorf("hidden after %v, want %v", got, want)
	}
}

// TestRun_TroubleDelays: each kind of trouble in the way of a KSK roll makes it
// later by what the trouble lasts, and by nothing else.
func TestRun_TroubleDelays(t *testing.T) {
	roll := Event{At: 7 * day, Kind: Roll, Role: policy.KSK}
	base := at(t, Run(quiet(roll)), "KSK 1", "key", "removed")
	for _, kind := range []Kind{Stop, FailStore, FailPublish, FailKeys, Idle, Blind, Hold} {
		t.Run(kind.String(), func(t *testing.T) {
			trouble := Event{At: 7*day - time.Hour, Kind: kind, For: 5 * day}
			events := []Event{trouble, roll}
			if kind == Hold {
				events = append(events, Event{At: trouble.At + trouble.For, Kind: Resume})
			}
			h := Run(quiet(events...))
			got := at(t, h, "KSK 1", "key", "removed")
			if got < base+day || got > base+6*day {
				t.Errorf("the old KSK is removed after %v, without trouble after %v:\n%s", got, base, h.Text())
			}
			if len(h.Bogus) > 0 {
				t.Error(h.Bogus)
			}
		})
	}
}

// TestRun_ClockBack: what had run when the clock was set back begins again.
func TestRun_ClockBack(t *testing.T) {
	roll := Event{At: 7 * day, Kind: Roll, Role: policy.ZSK}
	base := at(t, Run(quiet(roll)), "ZSK 1", "key", "removed")
	h := Run(quiet(roll, Event{At: 8 * day, Kind: Jump, For: -3 * day}))
	if got := at(t, h, "ZSK 1", "key", "removed"); got < base+day/2 || got > base+day {
		t.Errorf("removed after %v, with an even clock after %v", got, base)
	}
}

// TestRun_ClockAhead: a jump ahead makes no hold shorter, whether it is doubted
// or believed at once.
func TestRun_ClockAhead(t *testing.T) {
	roll := Event{At: 7 * day, Kind: Roll, Role: policy.ZSK}
	base := at(t, Run(quiet(roll)), "ZSK 2", "DNSKEY", "omnipresent")
	for _, ahead := range []time.Duration{30 * day, 50 * time.Minute} {
		h := Run(quiet(roll, Event{At: 7*day + time.Hour, Kind: Jump, For: ahead}))
		if got := at(t, h, "ZSK 2", "DNSKEY", "omnipresent"); got < base {
			t.Errorf("%v: known everywhere after %v, with an even clock after %v", ahead, got, base)
		}
	}
}

func TestRun_ReplicasAgree(t *testing.T) {
	for _, name := range Stories() {
		s, _, _ := Story(name)
		one := Run(s)
		s.Replicas = 3
		three := Run(s)
		if len(three.Bogus) > 0 || len(one.Keys) != len(three.Keys) || len(one.Transitions) != len(three.Transitions) {
			t.Errorf("%s: %d keys and %d transitions with one process, %d and %d with three; bogus: %v",
				name, len(one.Keys), len(one.Transitions), len(three.Keys), len(three.Transitions), three.Bogus)
		}
	}
}

// TestRun_NoParent: a KSK rolls by RFC 5011 alone.
func TestRun_NoParent(t *testing.T) {
	s := quiet(Event{At: 100 * day, Kind: Roll, Role: policy.KSK})
	s.Policy.NoParent = true
	s.For = 300 * day
	h := Run(s)
	trusted, revoked := at(t, h, "KSK 2", "DS", "omnipresent"), at(t, h, "KSK 1", "DS", "unretentive")
	if trusted-100*day < 30*day || revoked < trusted {
		t.Errorf("trusted after %v, the old one revoked after %v", trusted, revoked)
	}
	if gone := at(t, h, "KSK 1", "DNSKEY", "unretentive"); gone-revoked < 30*day {
		t.Errorf("revoked after %v, gone after %v", revoked, gone)
	}
	if len(h.Bogus) > 0 || !strings.Contains(h.SVG("t"), "trust anchor") {
		t.Error(h.Bogus)
	}
}

// TestParent_NewerWishesOvertakeOlder: a server that is late with one DS set
// never goes back to it from the next.
func TestParent_NewerWishesOvertakeOlder(t *testing.T) {
	s := quiet()
	w := newWorld(s)
	w.caches.know("a", "KSK 1", 1, policy.ED25519)
	p := w.parent
	run := func(until time.Duration) {
		for len(w.queue) > 0 && !w.queue[0].at.After(s.Start.Add(until)) {
			h := w.queue[0]
			w.queue = w.queue[1:]
			w.now = h.at
			h.what()
		}
	}
	w.setup.Start, s.Start = w.now, w.now
	p.fixed, p.spread = true, 10*time.Hour
	p.wishes = append(p.wishes, wish{since: w.now, cds: []string{"a"}})
	p.takeUp(w)
	p.spread = time.Hour
	p.wishes = append(p.wishes, wish{since: w.now, cds: []string{"b"}})
	p.takeUp(w)
	run(20 * time.Hour)
	for _, v := range p.servers {
		if !slices.Equal(v.has, []string{"b"}) {
			t.Errorf("%s has %v", v.name, v.has)
		}
	}
	p.wishes = append(p.wishes, wish{since: w.now}) // neither CDS nor CDS delete: all stays
	p.takeUp(w)
	run(40 * time.Hour)
	if !p.agree("b", true) || p.agree("b", false) {
		t.Error("the DS went though nobody asked for that")
	}
	p.wishes = append(p.wishes, wish{since: w.now, withdraw: true})
	p.idle = w.now.Add(5 * time.Hour)
	p.takeUp(w)
	run(44 * time.Hour)
	if !p.agree("b", true) {
		t.Error("an idle parent took up a CDS")
	}
	run(60 * time.Hour)
	if !p.agree("b", false) {
		t.Error("CDS delete did not delete")
	}
}

// TestValidators_FollowTheSet tells RFC 5011's validators of DNSKEY sets.
func TestValidators_FollowTheSet(t *testing.T) {
	s := quiet()
	s.Policy.NoParent = true
	w := newWorld(s)
	for i, id := range []string{"a", "b", "c"} {
		w.caches.know(id, id, uint16(i), policy.ED25519)
	}
	w.hand([]int{0})
	keen, lazy := w.anchors.validators[0], w.anchors.validators[1]
	run := func(until time.Duration) {
		for len(w.queue) > 0 && !w.queue[0].at.After(s.Start.Add(until)) {
			h := w.queue[0]
			w.queue = w.queue[1:]
			w.now = h.at
			h.what()
		}
	}
	s.Start = w.now
	w.watch(content{keys: []int{2}, signers: []int{2}}) // nobody trusts who signed
	w.watch(content{keys: []int{0, 1}, signers: []int{0, 1}})
	run(29 * day)
	if !slices.Equal(keen.anchors, []int{0}) {
		t.Errorf("before the hold-down: %v", keen.anchors)
	}
	run(31 * day)
	if !slices.Equal(keen.anchors, []int{0, 1}) || !slices.Equal(lazy.anchors, []int{0}) {
		t.Errorf("after the hold-down: %v and %v", keen.anchors, lazy.anchors)
	}
	run(62 * day)
	if !slices.Equal(lazy.anchors, []int{0, 1}) {
		t.Errorf("at the latest: %v", lazy.anchors)
	}
	w.watch(content{keys: []int{0, 1}, revoked: []int{0}, signers: []int{0, 1}})
	run(63 * day)
	if !slices.Equal(keen.anchors, []int{1}) || !slices.Equal(lazy.anchors, []int{0, 1}) {
		t.Errorf("after the revocation: %v and %v", keen.anchors, lazy.anchors)
	}
	run(90 * day)
	if !slices.Equal(lazy.anchors, []int{1}) {
		t.Errorf("at the latest: %v", lazy.anchors)
	}
	w.watch(content{keys: []int{1}, revoked: []int{1}, signers: []int{1}})
	if !keen.lost {
		t.Error("the last anchor was revoked, and nothing was lost")
	}
}

func TestClock_JumpsAheadAreDoubted(t *testing.T) {
	now := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	c := clock{}
	until := c.jump(now, 48*time.Hour)
	if _, frozen := c.frozen(); !frozen || until != now.Add(steady) {
		t.Errorf("frozen %v until %v", frozen, until)
	}
	if _, ok := c.believe(now.Add(time.Minute)); ok {
		t.Error("believed after a minute")
	}
	if by, ok := c.believe(until); !ok || by != 48*time.Hour {
		t.Errorf("believed %v, by %v", ok, by)
	}
	if got := c.keys(until); !got.Equal(until.Add(48 * time.Hour)) {
		t.Errorf("keys live at %v", got)
	}
	c.jump(until, -47*time.Hour)
	if got := c.keys(until); !got.Equal(until.Add(time.Hour)) {
		t.Errorf("the clock was set back, and keys live at %v", got)
	}
}

// TestSVG_IsWellFormed: also with what has to be escaped, with bogus instants,
// and over lengths of days and of years.
func TestSVG_IsWellFormed(t *testing.T) {
	s, title, _ := Story("scheme")
	for _, length := range []time.Duration{day, 20 * day, 60 * day, 400 * day, 4000 * day} {
		s.For = length
		s.Events = append(s.Events, Event{At: time.Hour, Kind: SetPolicy, Policy: &s.Policy, Text: `<"&>`})
		h := Run(s)
		h.Bogus = append(h.Bogus, Bogus{At: h.Start.Add(time.Hour), Mix: "a < b"})
		d := xml.NewDecoder(strings.NewReader(h.SVG(title)))
		var err error
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%v: %v", length, err)
		}
		if text := h.Text(); !strings.Contains(text, "BOGUS a < b") || !strings.Contains(text, "1 BOGUS instants") {
			t.Errorf("%v: the text does not tell of the bogus instant", length)
		}
	}
}

// TestTicks_Fit: whatever the length, there are some ticks and not too many.
func TestTicks_Fit(t *testing.T) {
	start := time.Date(2030, time.March, 5, 0, 0, 0, 0, time.UTC)
	for days := 1; days < 40000; days += 1 + days/7 {
		list := ticks(start, start.Add(time.Duration(days)*day))
		if len(list) < 2 && days > 400 || len(list) > maxTicks+2 {
			t.Errorf("%d days have %d ticks", days, len(list))
		}
		for _, k := range list {
			if k.at.Before(start) || k.at.After(start.Add(time.Duration(days)*day)) {
				t.Errorf("%d days: tick at %s", days, k.at)
			}
		}
	}
}

func TestStory_Unknown(t *testing.T) {
	if _, _, err := Story("dsk"); err == nil || !strings.Contains(err.Error(), "zsk, ksk") {
		t.Errorf("got %v", err)
	}
}
