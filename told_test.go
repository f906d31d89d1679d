package autosign

import (
	"io"
	golog "log"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// heard is what the log has said since listen.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (h *heard) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(line)
}

// listen takes down what the log says.
func listen(t *testing.T) *heard {
	t.Helper()
	h := &heard{}
	golog.SetOutput(h)
	t.Cleanup(func() {
		golog.SetOutput(io.Discard)
		if os.Getenv("AUTOSIGN_TEST_LOG") != "" {
			golog.SetOutput(os.Stderr)
		}
	})
	return h
}

// of returns the log lines of some kinds of events, and begins anew.
func (h *heard) of(kinds ...event.Kind) (lines []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for line := range strings.Lines(h.text.String()) {
		for _, k := range kinds {
			if _, text, ok := strings.Cut(line, "example.org. "+k.String()); ok {
				lines = append(lines, k.String()+" "+strings.TrimSpace(text))
				break
			}
		}
	}
	h.text.Reset()
	return lines
}

// plainly has names for keys, and leaves out digests and moments.
func plainly(lines []string, names map[string]string) (list []string) {
	digest := regexp.MustCompile(` example\.org\. IN DS \d+ \d+ (\d) [0-9A-F]+`)
	moment := regexp.MustCompile(`(, next look at|; next at) \S+`)
	for _, line := range lines {
		for id, name := range names {
			tag := strings.TrimLeft(id[len(id)-5:], "0")
			line = strings.NewReplacer(id+" (tag "+tag+")", name, "DS "+tag+" seen", "it is seen", "DS "+tag+" gone", "it is gone").Replace(line)
		}
		list = append(list, moment.ReplaceAllString(digest.ReplaceAllString(line, ", digest $1"), ""))
	}
	return list
}

// Who follows the log knows what is to be done about each DS, once, and what the
// keys wait for.
func TestEvents_OfAKSKRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := listen(t)
		p, r := newPlace(t), newUpper("a.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		names := map[string]string{old: "OLD"}
		check := func(when string, want ...string) {
			t.Helper()
			got := plainly(h.of(event.DSToPublish, event.DSToRemove, event.KeyWaits, event.Warned,
				event.KeyUnusable, event.KeysWithheld, event.Refused, event.SourceLost, event.StoreFailed, event.Frozen), names)
			if !slices.Equal(got, want) {
				t.Errorf("%s:\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		const put, take = "put it into the parent zone, where it was not seen yet, if the parent does not follow CDS",
			"once it has the others that are wanted, have it taken away there, if the parent does not follow CDS"
		check("the first DS",
			"DS for the parent OLD, digest 2: put it into the parent zone once every cache has the signed zone, which is told, if the parent does not follow CDS",
			"DS for the parent OLD, digest 4: put it into the parent zone once every cache has the signed zone, which is told, if the parent does not follow CDS",
			"key waits OLD DS: a version of the zone with what was moved last to be served",
			"key waits OLD DS: its DNSKEY and the signatures to be known to every cache (DNSKEY is rumoured)",
			"key waits OLD DS: a version of the zone with it to be served",
			"DS for the parent OLD, digest 2: "+put,
			"DS for the parent OLD, digest 4: "+put,
			"key waits OLD DS: it is seen at 0 of 1 servers of org.")

		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "asking for the new DS", 3*day, p.in(old, rollover.DS, rollover.Unretentive))
		time.Sleep(3 * time.Hour) // looks that bring nothing new are not told
		names[p.of(policy.KSK)] = "NEW"
		r.follow(t, s, "a.")
		wait(t, "rid of the old key", 10*day, func() bool { return p.state().Key(old).Gone() })
		check("the roll",
			"key waits KSK roll: a key to be made (an operator asked for it: test)",
			"key waits OLD DS: a version of the zone with what was moved last to be served",
			"key waits NEW DS: a version of the zone with what was moved last to be served",
			"key waits OLD DS: another DS to be known to every cache",
			"key waits NEW DS: its DNSKEY and the signatures to be known to every cache (DNSKEY is rumoured)",
			"key waits OLD DS: a version of the zone with it to be served",
			"key waits NEW DS: a version of the zone with it to be served",
			"DS for the parent to remove OLD, digest 2: "+take,
			"DS for the parent NEW, digest 2: "+put,
			"DS for the parent NEW, digest 4: "+put,
			"key waits OLD DS: it is gone at 0 of 1 servers of org.",
			"key waits NEW DS: it is seen at 0 of 1 servers of org.")

		r.change(func() { r.ds["a."] = nil })
		time.Sleep(2 * day)
		synctest.Wait()
		check("the DS that is lost",
			"warning NEW: the DS of this key is gone from every server of the parent, and nobody asked for that: put it back",
			"key waits NEW DS: it is seen at 0 of 1 servers of org.",
			"DS for the parent NEW, digest 2: "+put,
			"DS for the parent NEW, digest 4: "+put)
	})
}

// A clock that jumps is told once, and again when its keys move again.
func TestEvents_OfAClockThatJumps(t *testing.T) {
	for jump, want := range map[time.Duration][]string{
		2 * day:          {"clock jumped", "keys do not move", "keys may move again"},
		50 * time.Minute: nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			p, s := rolling(t)
			defer s.loop.stop()
			h := listen(t)
			p.jump.Store(int64(jump))
			time.Sleep(3 * time.Hour)
			synctest.Wait()
			var got []string
			for _, line := range h.of(event.ClockJumped, event.Frozen, event.Thawed) {
				for _, k := range []event.Kind{event.ClockJumped, event.Frozen, event.Thawed} {
					if strings.HasPrefix(line, k.String()) {
						got = append(got, k.String())
					}
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: told %q, want %q", jump, got, want)
			}
		})
	}
}

// A move is told with what comes next of the same record; of a key, of any.
func TestTellMoves_SaysWhatComesNext(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	h := listen(t)
	at := func(hour int) time.Time { return time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC) }
	s.tellMoves(rollover.Plan{
		Moves: []rollover.Move{{Key: "a", Record: "DNSKEY", To: "rumoured"}, {Key: "a", Record: "ZRRSIG", To: "rumoured"}, {Key: "a", Record: "key", To: "in service"}},
		Reasons: []rollover.Reason{{Key: "a", Record: rollover.DNSKEY, When: at(5)}, {Key: "a", Record: rollover.KRRSIG, When: at(4)},
			{Key: "b", Record: rollover.DNSKEY, When: at(3)}, {Key: "b", Record: rollover.ZRRSIG, When: at(2)}},
	})
	want := []string{
		"key moved a DNSKEY as rumoured; next at 2026-03-01T05:00:00Z",
		"key moved a ZRRSIG as rumoured",
		"key moved a key as in service; next at 2026-03-01T04:00:00Z",
	}
	if got := h.of(event.KeyMoved); !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
