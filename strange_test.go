package autosign

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// What the zone's servers show is asked for until one tells, and only what all
// of them tell speaks for the state again.
func TestWatch_SilenceDoesNotSpeakForTheState(t *testing.T) {
	stranger, _ := key.New(policy.KSK, policy.ED25519, newPublic(t))
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, _ := p.delegated(t, r)
		s.loop.stop()
		r.change(func() { r.keys, r.keysErr = [][]byte{stranger.DNSKEY()}, parent.ErrUnreachable })
		s = p.attended(t, r)
		defer s.loop.stop()
		if why := s.watch.stranger(); why != "" {
			t.Fatalf("strange, though no server told: %s", why)
		}
		r.change(func() { r.keysErr = nil })
		wait(t, "seeing the strange key", 7*time.Hour, func() bool { return s.watch.stranger() != "" })
		r.change(func() { r.keysErr = parent.ErrUnreachable })
		time.Sleep(day)
		synctest.Wait()
		if s.watch.stranger() == "" {
			t.Error("the state is trusted again, though no server told")
		}
		r.change(func() { r.keys, r.keysErr = nil, nil })
		wait(t, "trusting the state again", 2*time.Hour, func() bool { return s.watch.stranger() == "" })
	})
}

// What a zone's first pass says of the time before the start holds for all later
// ones: the zone that it has published itself was not there before.
func TestBegin_OnlyTheFirstCounts(t *testing.T) {
	now := time.Now()
	w := &watch{zone: "example.org.", policy: policy.Default(), ask: newUpper()}
	w.begin(now, false)
	w.begin(now.Add(time.Minute), true)
	if v := w.sight(now.Add(time.Minute)); v.freeze != "" {
		t.Errorf("a new zone is frozen: %s", v.freeze)
	}
	old := &watch{zone: "example.org.", policy: policy.Default(), ask: newUpper()}
	old.begin(now, true)
	old.begin(now.Add(startBound), true)
	if v := old.sight(now.Add(startBound)); v.freeze != "" {
		t.Errorf("frozen for longer than %s: %s", startBound, v.freeze)
	}
}

// Servers of the parent that were found and do not answer tell nothing.
func TestTake_SilentServersDoNotAnswer(t *testing.T) {
	now := time.Now()
	w := &watch{zone: "example.org.", policy: policy.Default(), ask: newUpper(), now: time.Now, tell: func(event.Event) {}, wake: func() {}}
	w.begin(now, true)
	w.compared(comparison{told: true})
	w.take(parent.Look{Zone: "org.", Servers: []parent.Server{{Name: "a.", Err: parent.ErrUnreachable}}}, nil)
	if v := w.sight(now); v.unsure == "" {
		t.Error("what is remembered of the parent counts, though no server answered")
	}
	w.take(parent.Look{Zone: "org.", Servers: []parent.Server{{Name: "a."}, {Name: "b.", Err: parent.ErrUnreachable}}}, nil)
	if v := w.sight(now); v.unsure != "" {
		t.Error(v.unsure)
	}
}

// Also a zone without a parent to look at, or with one in this process, and the
// root, move no key before the zone's servers have told which keys they show.
func TestWatch_AsksTheZonesServersWithoutAParent(t *testing.T) {
	stranger, _ := key.New(policy.KSK, policy.ED25519, newPublic(t))
	hosts := []parent.Host{{Name: "ns1.example.org."}, {Name: "ns2.example.net."}}
	for _, c := range []struct {
		zone string
		edit func(*policy.Policy)
	}{
		{"example.org.", func(p *policy.Policy) { p.NoParent = true }},
		{"example.org.", func(p *policy.Policy) { p.ParentLocal = true }},
		{".", func(*policy.Policy) {}},
	} {
		now, woken, planned, r := time.Now(), 0, 0, newUpper()
		w := &watch{zone: c.zone, policy: policy.Default(), ask: r, now: func() time.Time { return now }, tell: func(event.Event) {},
			wake: func() { woken++ }, plan: func(time.Time) { planned++ }}
		c.edit(&w.policy)
		r.silent["ns2.example.net."] = parent.ErrUnreachable
		w.begin(now, true)
		if v := w.sight(now); v.freeze == "" || !v.until.Equal(now.Add(startBound)) {
			t.Errorf("%s: before the servers were asked: %+v", c.zone, v)
		}
		w.expect(expectation{})
		w.expect(expectation{hosts: hosts})
		if planned != 1 {
			t.Errorf("%s: %d looks planned, want one once the servers are known", c.zone, planned)
		}
		if next := w.look(t.Context()); !next.After(now) || w.sight(now).freeze == "" {
			t.Errorf("%s: one of two servers has told, and that is enough", c.zone)
		}
		if v := w.sight(now.Add(startBound)); v.freeze != "" {
			t.Errorf("%s: a server that is silent for good holds the keys: %s", c.zone, v.freeze)
		}
		r.keys, r.silent = [][]byte{stranger.DNSKEY()}, nil
		w.look(t.Context())
		if v := w.sight(now.Add(startBound)); !strings.Contains(v.freeze, "ns2.example.net.") || woken == 0 {
			t.Errorf("%s: frozen because of %q", c.zone, v.freeze)
		}
		r.keys = nil
		if next := w.look(t.Context()); !next.IsZero() || w.sight(now).freeze != "" {
			t.Errorf("%s: all have told, and it is asked again, or waited: %q", c.zone, w.sight(now).freeze)
		}
		w.expect(expectation{hosts: hosts})
		if w.look(t.Context()); planned != 1 || len(r.asked) != 3 {
			t.Errorf("%s: asked %d times, %d looks planned", c.zone, len(r.asked), planned)
		}
	}
}

// While the zone's servers are silent, or cannot be found, keys wait for them, and
// not for ever.
func TestWatch_KeysWaitForTheZonesServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, ksk := p.delegated(t, r)
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		s.loop.stop()
		r.change(func() { r.keysErr = parent.ErrUnreachable })
		for _, found := range []bool{false, true} {
			s = p.attended(t, r)
			time.Sleep(startBound / 2)
			synctest.Wait()
			if st, _ := s.status(); (st.Frozen == "") != found || (p.of(policy.KSK) != ksk) != found {
				t.Errorf("servers found: %v; frozen: %q", found, st.Frozen)
			}
			if !found {
				time.Sleep(startBound)
				synctest.Wait()
				if st, _ := s.status(); st.Frozen != "" || p.of(policy.KSK) == ksk {
					t.Errorf("still frozen: %q", st.Frozen)
				}
			}
			s.loop.stop()
			r.change(func() { r.keysErr = nil })
		}
	})
}

// A restored older state of a zone without a parent.
func TestWatch_StrangeKeysFreezeWithoutAParent(t *testing.T) {
	stranger, _ := key.New(policy.KSK, policy.ED25519, newPublic(t))
	for _, local := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, r := newPlace(t), newUpper()
			p.policy.NoParent, p.policy.ParentLocal = !local, local
			again := func() *signer {
				s := p.signer()
				inst := &instance{signers: map[identity]*signer{{s.zone, s.view}: s}, loop: s.loop}
				if local {
					above := p.member(s, "org.", "", aboveZone)
					inst.signers[identity{"org.", ""}] = above
					above.attend(inst, nil)
				}
				s.attend(inst, r)
				s.loop.start()
				synctest.Wait()
				return s
			}
			s := again()
			ksk := p.of(policy.KSK)
			time.Sleep(60 * day)
			s.loop.stop()
			r.change(func() { r.keys = [][]byte{stranger.DNSKEY()} })
			s = again()
			defer func() { s.loop.stop() }()
			if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * day)
			synctest.Wait()
			if p.of(policy.KSK) != ksk {
				t.Error("keys moved although the state is one of the past")
			}
			st, _ := s.status()
			if want := fmt.Sprintf("tag %d at ns1.example.org.", stranger.Tag); !strings.Contains(st.Frozen, want) {
				t.Errorf("frozen because of %q, want %q", st.Frozen, want)
			}
			r.change(func() { r.keys = nil }) // the right state was put back, it seems
			wait(t, "moving", day, func() bool { return p.of(policy.KSK) != ksk })
		})
	}
}

// Servers are asked where the zone says that they are.
func TestHosts_WithTheirAddresses(t *testing.T) {
	z, _, err := parseZone("example.org.", testZone+"@ 3600 IN NS ns2.example.net.\nns1 3600 IN AAAA 2001:db8::1\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "[{ns1.example.org. [192.0.2.1 2001:db8::1]} {ns2.example.net. []}]"
	if got := fmt.Sprint(hostsIn(z)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
