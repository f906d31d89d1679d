package simulate

import (
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// scene is a world of hand-made servers, for the model alone: nobody here
// decides anything, all that is served is written down.
type scene struct {
	*caches
	start time.Time
}

const (
	sceneLag    = time.Hour
	sceneKeyTTL = 3600  // seconds, of DNSKEY sets
	sceneTTL    = 86400 // seconds, of everything else in the zone
	sceneDSTTL  = 86400 // seconds
)

func newScene() *scene {
	s := &scene{newCaches(1, 2), time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)}
	for i, id := range []string{"K1", "Z1", "K2", "Z2"} {
		s.know(id, id, uint16(i+1), policy.ECDSAP256SHA256)
	}
	for i, id := range []string{"K3", "Z3"} { // of another algorithm
		s.know(id, id, uint16(i+11), policy.ED25519)
	}
	return s
}

func words(s string) []string { return strings.Fields(s) }

// happen serves what one line says: "dnskey K1 Z1 by K1", with a ! before keys
// that are revoked, "zone Z1", "zone Z1 | Z2", "ds K1", "ds K1 | K2" (of the two
// servers of the parent).
func (s *scene) happen(after time.Duration, line string) []string {
	now := s.start.Add(after)
	kind, rest, _ := strings.Cut(line, " ")
	parts := strings.Split(rest, "|")
	switch kind {
	case "dnskey":
		list, by, _ := strings.Cut(rest, "by")
		set := content{signers: s.indexes(words(by))}
		for _, id := range words(list) {
			n := s.indexes([]string{strings.TrimPrefix(id, "!")})
			set.keys = append(set.keys, n...)
			if strings.HasPrefix(id, "!") {
				set.revoked = append(set.revoked, n...)
			}
		}
		s.dnskey.serve(0, now, sceneLag, sceneKeyTTL, set)
	case "zone":
		var sets []content
		for _, p := range parts {
			sets = append(sets, content{signers: s.indexes(words(p))})
		}
		s.zone.serve(0, now, sceneLag, sceneTTL, sets...)
	case "ds":
		for i := range 2 {
			s.ds.serve(i, now, sceneLag, sceneDSTTL, content{keys: s.indexes(words(parts[min(i, len(parts)-1)]))})
		}
	}
	return s.caches.judge(now, nil)
}

// TestJudge_KnownOutages tells histories, some of which happened, and holds the
// model to finding what was wrong with them, and nothing in those that are right.
func TestJudge_KnownOutages(t *testing.T) {
	const h = time.Hour
	type line struct {
		at    time.Duration
		what  string
		fault string // a part of what is wrong from then on; empty: nothing
	}
	tests := []struct {
		name  string
		lines []line
	}{
		{"Insecure", []line{{0, "zone ", ""}, {h, "dnskey K1 Z1 by K1", ""}, {h, "zone Z1", ""}}},
		{"FirstDSInTime", []line{{0, "zone ", ""}, {0, "dnskey  by ", ""}, {h, "dnskey K1 Z1 by K1", ""}, {h, "zone Z1", ""}, {26 * h, "ds K1", ""}}},
		{"FirstDSTooEarly", []line{{0, "zone ", ""}, {h, "dnskey K1 Z1 by K1", ""}, {h, "zone Z1", ""}, {25 * h, "ds K1", "records signed by nobody"}}},
		{"ZSKRoll", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "dnskey K1 Z1 Z2 by K1", ""}, {102 * h, "zone Z1 | Z2", ""}, {110 * h, "zone Z2", ""},
			{135 * h, "dnskey K1 Z2 by K1", ""},
		}},
		{"SignaturesBeforeTheirKeyIsKnown", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "dnskey K1 Z1 Z2 by K1", ""}, {101 * h, "zone Z1 | Z2", "DNSKEY set with K1 (1), Z1 (2), signed by K1 (1) + records signed by Z2 (4)"},
		}},
		{"P17_KeyGoneWhileSignaturesLive", []line{
			{0, "dnskey K1 Z1 Z2 by K1", ""}, {0, "zone Z1 | Z2", ""}, {0, "ds K1", ""},
			{100 * h, "zone Z2", ""}, {124 * h, "dnskey K1 Z2 by K1", "records signed by Z1"},
		}},
		{"KSKRoll", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "dnskey K1 K2 Z1 by K1 K2", ""}, {102 * h, "ds K1 | K2", ""}, {105 * h, "ds K2", ""},
			{130 * h, "dnskey K2 Z1 by K2", ""},
		}},
		{"P5_DSBeforeItsKeyIsKnown", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "dnskey K1 K2 Z1 by K1 K2", ""}, {101 * h, "ds K1 | K2", "DS of K2 (3) + DNSKEY set with K1 (1), Z1 (2)"},
		}},
		{"P5_KeyDoesNotSign", []line{
			{0, "dnskey K1 K2 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""}, {1000 * h, "ds K2", "no DS of algorithm"},
		}},
		{"P4_KeyGoneWhileDSIsCached", []line{
			{0, "dnskey K1 K2 Z1 by K1 K2", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "ds K2", ""}, {124 * h, "dnskey K2 Z1 by K2", "DS of K1"},
		}},
		{"OneServerOfTheParentIsBehind", []line{
			{0, "dnskey K1 K2 Z1 by K1 K2", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "ds K1 | K2", ""}, {1000 * h, "dnskey K2 Z1 by K2", "DS of K1"},
		}},
		{"AlgorithmRoll", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "zone Z1 | Z1 Z3", ""}, {110 * h, "zone Z1 Z3", ""},
			{135 * h, "dnskey K1 Z1 K3 Z3 by K1 K3", ""}, {138 * h, "ds K3", ""},
			{163 * h, "dnskey K3 Z3 by K3", ""}, {165 * h, "zone Z1 Z3 | Z3", ""},
		}},
		{"P6_KeyBeforeSignatures", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "zone Z1 Z3", ""}, {124 * h, "dnskey K1 Z1 K3 Z3 by K1 K3", "no signature by a key of algorithm ED25519"},
		}},
		{"P6_KeyGoneBeforeItsAlgorithmLeavesTheDS", []line{
			{0, "dnskey K1 Z1 K3 Z3 by K1 K3", ""}, {0, "zone Z1 Z3", ""}, {0, "ds K1 K3", ""},
			{100 * h, "dnskey K3 Z3 by K3", "no DS of algorithm ECDSAP256SHA256"},
		}},
		{"SignaturesGoneBeforeTheirKey", []line{
			{0, "dnskey K1 Z1 K3 Z3 by K1 K3", ""}, {0, "zone Z1 Z3", ""}, {0, "ds K3", ""},
			{100 * h, "dnskey K3 Z3 by K3", ""}, {101 * h, "zone Z1 Z3 | Z3", "no signature by a key of algorithm ECDSAP256SHA256"},
		}},
		{"NewAlgorithmDoesNotSignTheDNSKEYSet", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1 Z3", ""}, {0, "ds K1", ""},
			{100 * h, "dnskey K1 Z1 Z3 by K1", "has not signed it"},
		}},
		{"P8b_UnsignedWhileDSIsCached", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "ds ", ""}, {124 * h, "dnskey  by ", "DNSKEY set that is empty"},
		}},
		{"UnsignedInTime", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "ds ", ""}, {125 * h, "dnskey  by ", ""}, {125 * h, "zone ", ""},
		}},
		{"RevokedKeyIsNoEntryPoint", []line{
			{0, "dnskey K1 Z1 by K1", ""}, {0, "zone Z1", ""}, {0, "ds K1", ""},
			{100 * h, "dnskey !K1 K2 Z1 by K1 K2", "K1 (1) revoked"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			for _, l := range tt.lines {
				got := strings.Join(s.happen(l.at, l.what), "\n")
				if l.fault == "" && got != "" || !strings.Contains(got, l.fault) {
					t.Fatalf("after %v, %q:\ngot  %s\nwant %s", l.at, l.what, got, l.fault)
				}
			}
		})
	}
}

// TestJudge_TellsAMixOnce: what is told goes untold until it has gone.
func TestJudge_TellsAMixOnce(t *testing.T) {
	s := newScene()
	s.happen(0, "dnskey K1 Z1 by K1")
	s.happen(0, "zone Z1")
	if got := s.happen(time.Hour, "ds K2"); len(got) != 1 {
		t.Errorf("at first: %q", got)
	}
	if got := s.happen(2*time.Hour, "dnskey K1 Z1 by K1"); len(got) != 0 {
		t.Errorf("still about, told again: %q", got)
	}
	s.happen(3*time.Hour, "ds K1")
	s.happen(100*time.Hour, "ds K1")
	if got := s.happen(200*time.Hour, "ds K2"); len(got) != 1 {
		t.Errorf("back again: %q", got)
	}
}

// TestCaches_LongestTTLCounts: what was served under a long TTL stays that
// long, also when the TTL was lowered since.
func TestCaches_LongestTTLCounts(t *testing.T) {
	s := newShelf(1)
	now := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	a, b := content{signers: []int{1}}, content{signers: []int{2}}
	s.serve(0, now, time.Minute, 86400, a)
	s.serve(0, now.Add(time.Hour), time.Minute, 60, a)
	s.serve(0, now.Add(2*time.Hour), time.Minute, 60, b)
	count := func(after time.Duration) (n int) {
		s.about(now.Add(after), func(int) { n++ })
		return n
	}
	end := time.Hour + time.Minute + 24*time.Hour
	if got := count(end - time.Second); got != 2 {
		t.Errorf("just before the long TTL ends: %d sets, want 2", got)
	}
	if got := count(end); got != 1 {
		t.Errorf("when the long TTL has ended: %d sets, want 1", got)
	}
}
