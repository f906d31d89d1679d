package autosign

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// Every record of every key is explained at every moment of a KSK roll: what
// is not where it is to be says what it waits for.
func TestStatus_ExplainsEveryRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s := p.attended(t, r)
		defer s.loop.stop()
		check := func() {
			t.Helper()
			st, ok := s.status()
			if !ok {
				t.Fatal("no status")
			}
			for _, k := range st.Keys {
				if len(k.Reasons) < 2 && !k.Gone() {
					t.Errorf("%s key %d has %d records", clockText(time.Now()), k.Tag, len(k.Reasons))
				}
				for _, r := range k.Reasons {
					if r.State != r.Goal && r.Waiting == "" {
						t.Errorf("%s %s of %d is %s, to be %s, and waits for nothing", clockText(time.Now()), r.Record, r.Tag, r.State, r.Goal)
					}
				}
			}
		}
		for hour := range 24 * 12 {
			switch hour {
			case 30, 80:
				r.follow(t, s, "a.")
			case 35, 100:
				r.follow(t, s, "a.", "b.")
			case 70:
				if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			check()
		}
		if k := p.state().KeySet; len(k.Keys) != 3 || !k.Keys[0].Gone() {
			t.Errorf("the roll is not over: %+v", k)
		}
	})
}

// The text names what an operator has to do, to the record.
func TestStatus_AsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s := p.attended(t, r)
		defer s.loop.stop()
		ksk := p.of(policy.KSK)
		wait(t, "asking for a DS", 3*day, p.in(ksk, rollover.DS, rollover.Rumoured))
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, err := s.order(t.Context(), byTest, (*rollover.KeySet).HoldAll); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		st, _ := s.status()
		record := dsText(s.origin, s.life.Load().keys[ksk])
		if len(st.Parent.Wanted) != 1 || st.Parent.Wanted[0].Record != record || !strings.HasPrefix(record, "example.org. IN DS ") {
			t.Errorf("wanted: %+v", st.Parent.Wanted)
		}
		for _, want := range []string{
			"example.org. serial ", "  held since 2000-01-01T", ": test\n", " " + ksk + "\n", "    DNSKEY omnipresent since 2000-01-01T02:05:00Z\n",
			"    DS rumoured since 2000-01-01T02:05:00Z, next omnipresent, waits for DS ", " seen at 0 of 2 servers of org., next look at 2000-01-01T0",
			"  to do: have the parent publish the DS of key ", ": " + record + "\n",
		} {
			if !strings.Contains(st.String(), want) {
				t.Errorf("without %q:\n%s", want, st)
			}
		}
	})
}

// The records of a delegation: what is to be there, what is to go, what is of
// nobody.
func TestDelegation_WantedAndToRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "swapping", 3*day, p.in(old, rollover.DS, rollover.Unretentive))
		r.follow(t, s, "a.")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		st, _ := s.status()
		d := st.Parent
		if len(d.Wanted) != 1 || d.Wanted[0].Key != p.of(policy.KSK) || d.Wanted[0].Seen != 1 ||
			len(d.Remove) != 1 || d.Remove[0].Key != old || d.Remove[0].Seen != 1 || len(d.Servers) != 2 || d.Kind != "outside" || d.Next.IsZero() {
			t.Errorf("%+v", d)
		}
		if len(st.Do) != 2 {
			t.Errorf("to do: %q", st.Do)
		}
	})
}

func TestSentence(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		reason rollover.Reason
		want   string
	}{
		{rollover.Reason{Record: rollover.DNSKEY, State: rollover.Omnipresent, Next: rollover.Omnipresent, Since: at}, "DNSKEY omnipresent since 2026-03-01T12:00:00Z"},
		{rollover.Reason{Record: rollover.DS}, "DS hidden"},
		{rollover.Reason{Record: rollover.DS, State: rollover.Rumoured, Next: rollover.Omnipresent, Since: at, When: at.Add(time.Hour), Waiting: "every cache to have it"},
			"DS rumoured since 2026-03-01T12:00:00Z, next omnipresent at 2026-03-01T13:00:00Z, waits for every cache to have it"},
	} {
		if got := sentence(c.reason); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
