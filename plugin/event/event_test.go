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
		{Event{Kind: KeyMoved, Zone: "example.org.", Key: "K", Tag: 12345, Record: "DS", From: "rumoured", To: "omnipresent", Why: "every cache has it"},
			"example.org. key moved K (tag 12345) DS from rumoured to omnipresent: every cache has it"},
		{Event{Kind: Commanded, Zone: "example.org.", Who: "alice", Command: "roll ZSK", Why: "the yearly drill"},
			"example.org. command done roll ZSK by alice: the yearly drill"},
		{Event{Kind: CommandRefused, Zone: "example.org.", Who: "alice", Command: "remove key", Key: "K", Tag: 7, Err: errors.New("its DS is omnipresent"), Next: at},
			"example.org. command refused remove key K (tag 7) by alice: its DS is omnipresent; next at 2026-03-01T11:00:00Z"},
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
	if Kind(0).String() != "event 0" || kinds.String() != "event 28" {
		t.Errorf("what is no kind is %q and %q", Kind(0), kinds)
	}
}

func TestKind_Severity(t *testing.T) {
	for kind, want := range map[Kind]Severity{
		Published: Info, KeyCreated: Info, DSToPublish: Info, SourceFound: Info,
		Commanded: Info, KeyDestroyed: Info, DSChanged: Info, Thawed: Info,
		Warned: Warning, ClockJumped: Warning, Frozen: Warning, DSUnknown: Warning, ParentUnclear: Warning,
		NotifyFailed: Warning, CommandRefused: Warning, Overridden: Warning,
		Refused: Error, SourceLost: Error, KeyUnusable: Error, KeysWithheld: Error, StoreFailed: Error, ChainBroken: Error,
	} {
		if got := kind.Severity(); got != want {
			t.Errorf("%s: got %d, want %d", kind, got, want)
		}
	}
}
