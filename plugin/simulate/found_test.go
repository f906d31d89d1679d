package simulate

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// found are lives in which something once broke, told by hand: random ones
// found them.
func found() map[string]Setup {
	long := policy.Default() // of a zone whose servers lag far behind
	long.ZSKLifetime = 0
	long.ZonePropagation = 8 * time.Hour
	long.DNSKEYTTL = 16 * 3600
	long.PublishSafety, long.RetireSafety = 0, 0
	short := long
	short.DNSKEYTTL = 3600
	leaving := long
	leaving.Insecure = true
	other := long
	other.Algorithm = policy.ED25519
	alone := long
	alone.NoParent = true
	gone := alone
	gone.Insecure = true
	standard := policy.Default()
	newer := standard
	newer.Algorithm = policy.ED25519
	newerLeaving := newer
	newerLeaving.Insecure = true
	combined := standard
	combined.Scheme = policy.SchemeCSK
	orphan := combined
	orphan.NoParent = true
	quick := Parent{Zone: "org.", Delay: 20 * time.Hour, Fixed: true, Look: time.Hour}
	slow := Parent{Zone: "org.", Delay: 5 * day, Spread: 2 * day, Fixed: true}
	at := func(d time.Duration, k Kind, e Event) Event {
		e.At, e.Kind = 30*day+d, k
		return e
	}
	return map[string]Setup{
		// A TTL that was lowered counts for as long as servers that lag hand out
		// what was before, also when newer versions came since.
		"LoweredDNSKEYTTL": {Policy: long, Events: []Event{
			at(0, SetPolicy, Event{Policy: &short}), at(0, Roll, Event{Role: policy.ZSK}), at(0, Roll, Event{Role: policy.KSK}),
			at(17*time.Hour, SetTTL, Event{TTL: 7200}), at(18*time.Hour, SetTTL, Event{TTL: 3600}),
		}},
		"LoweredDSTTL": {Policy: long, Parent: Parent{TTL: 3 * 86400, Fixed: true, Look: 5 * time.Minute}, Events: []Event{
			at(0, Emergency, Event{Role: policy.KSK}),
			at(24*time.Hour+10*time.Minute, SetParentTTL, Event{TTL: 60}), at(97*time.Hour, SetParentTTL, Event{TTL: 120}),
		}},
		// The registry has read the CDS of a key that was replaced before its DS
		// was seen, and publishes it after.
		"ReplacedBeforeItsDSWasSeen": {Policy: long, Parent: slow, Events: []Event{
			at(0, Roll, Event{Role: policy.KSK}), at(6*day+12*time.Hour, Emergency, Event{Role: policy.KSK}),
		}},
		// Time that did not pass is no hold.
		"ClockJumpsAheadInARoll": {Policy: long, Events: []Event{
			at(0, Roll, Event{Role: policy.ZSK}), at(time.Hour, Jump, Event{For: 30 * day}),
		}},
		// Nor is time that is gained when a clock that was set back is put right, while
		// no safety makes up for it.
		"ClockGoesBackAndForthInAnEmergency": {Policy: long, Events: []Event{
			at(0, Emergency, Event{Role: policy.ZSK}),
			at(10*time.Minute, Jump, Event{For: -55 * time.Minute}), at(15*time.Minute, Jump, Event{For: 55 * time.Minute}),
		}},
		// Signatures are there before the DNSKEY set, which caches still know to be
		// empty.
		"BackFromInsecureAtOnce": {Policy: long, ZoneTTL: 2 * 86400, Events: []Event{
			at(0, SetPolicy, Event{Policy: &leaving}), at(10*day, SetPolicy, Event{Policy: &long}),
			at(10*day+time.Hour, Emergency, Event{Role: policy.ZSK}), at(10*day+2*time.Hour, Emergency, Event{Role: policy.KSK}),
		}},
		// A key that is used again, and one that is deleted while it is not, do not
		// keep later rolls waiting.
		"UsedAgain": {Policy: long, Events: []Event{
			at(0, Rest, Event{Role: policy.ZSK, For: 5 * day}), at(30*day, SetPolicy, Event{Policy: &other}),
		}},
		"DeletedWhileItRests": {Policy: long, Parent: Parent{Delay: 20 * day, Fixed: true}, Events: []Event{
			{At: 2 * day, Kind: SetPolicy, Policy: &other}, {At: 3 * day, Kind: Rest, Role: policy.ZSK, For: 2 * day},
		}},
		// The last DNSKEYs do not go while the zone is to stay signed.
		"BackWhileTheAlgorithmRolls": {Policy: standard, Parent: quick, Events: []Event{
			{At: 10 * day, Kind: SetPolicy, Policy: &newer}, {At: 11 * day, Kind: SetPolicy, Policy: &newerLeaving},
			{At: 304 * time.Hour, Kind: SetPolicy, Policy: &newer},
		}},
		// A wait that began with a parent ends as if there still were one.
		"ParentLeftOutInARoll": {Policy: standard, Parent: quick, Events: []Event{
			{At: 461 * time.Hour, Kind: SetPolicy, Policy: &combined}, {At: 511 * time.Hour, Kind: SetPolicy, Policy: &orphan},
		}},
		// Nobody loses the only key that it trusts.
		"LeavingWhileAnchorsRoll": {Policy: alone, Events: []Event{
			at(60*day, Roll, Event{Role: policy.KSK}), at(70*day, SetPolicy, Event{Policy: &gone}), at(90*day, Confirm, Event{}),
		}},
	}
}

// TestRun_FoundBefore lives them again: nothing is bogus, and all comes to rest.
func TestRun_FoundBefore(t *testing.T) {
	for name, s := range found() {
		t.Run(name, func(t *testing.T) {
			s.Zone, s.For, s.Seed = "example.org.", 400*day, 1
			if h := Run(s); !judgeRun(t, s.Seed, s, h) {
				t.Log(h.Text())
			}
		})
	}
}
