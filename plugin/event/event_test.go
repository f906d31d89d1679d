package event

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestEvent_StringSaysZoneWhatWhyNext(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		event Event
		want  string
	}{
		{Event{Kind: Published, Zone: "example.org.", Serial: 7, Signatures: 12, Took: 3456 * time.Microsecond, Expiry: at, Next: at.Add(time.Hour)},
			"example.org. published serial 7, 12 signatures made in 3ms; first signature expires 2026-03-01T11:00:00Z; next at 2026-03-01T12:00:00Z"},
		{Event{Kind: Refused, Zone: "example.org.", View: "inside", Err: errors.New("a.example.org. DS: a DS without NS"), Why: "serial 6 is served on"},
			"example.org. in view inside version refused: serial 6 is served on: a.example.org. DS: a DS without NS"},
		{Event{Kind: KeyAdopted, Zone: ".", Key: "K.+013+00001", To: "KSK", Why: "found in keys"},
			". key adopted K.+013+00001 as KSK: found in keys"},
		{Event{Kind: KeyMoved, Zone: "example.org.", Key: "K", Record: "DNSKEY", From: "published", To: "active", Next: at},
			"example.org. key moved K DNSKEY from published to active; next at 2026-03-01T11:00:00Z"},
		{Event{Kind: DSToPublish, Zone: "example.org.", Key: "K", Record: "example.org. IN DS 1 13 2 00"},
			"example.org. DS for the parent K example.org. IN DS 1 13 2 00"},
		{Event{Kind: SourceFound, Zone: "example.org."}, "example.org. source is usable again"},
		{Event{Kind: 200, Zone: "example.org."}, "example.org. event 200"},
	} {
		if got := c.event.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestKind_EveryKindHasWords(t *testing.T) {
	seen := map[string]Kind{}
	for k := Kind(1); k < kinds; k++ {
		text := k.String()
		if strings.HasPrefix(text, "event ") {
			t.Errorf("kind %d has no words", k)
		}
		if other, twice := seen[text]; twice {
			t.Errorf("kinds %d and %d are both %q", other, k, text)
		}
		seen[text] = k
	}
	if Kind(0).String() != "event 0" || kinds.String() != "event 14" {
		t.Errorf("what is no kind is %q and %q", Kind(0), kinds)
	}
}

func TestKind_Severity(t *testing.T) {
	for kind, want := range map[Kind]Severity{
		Published: Info, KeyCreated: Info, DSToPublish: Info, SourceFound: Info,
		Warned: Warning, ClockJumped: Warning,
		Refused: Error, SourceLost: Error, KeyUnusable: Error, KeysWithheld: Error, StoreFailed: Error,
	} {
		if got := kind.Severity(); got != want {
			t.Errorf("%s: got %d, want %d", kind, got, want)
		}
	}
}
