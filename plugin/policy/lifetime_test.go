package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// takes recomputes what a roll takes, in seconds, from the policy alone.
func takes(p Policy, r Role, maxTTL time.Duration) time.Duration {
	s := func(d time.Duration) int64 { return int64(d / time.Second) }
	ttl, propagation, pub, ret := int64(p.DNSKEYTTL), s(p.ZonePropagation), s(p.PublishSafety), s(p.RetireSafety)
	ahead, behind := ttl+propagation+pub, ttl+propagation+ret
	slot := min(max((s(p.Validity)-s(p.Refresh))/240, 1), 3600)
	signatures := (s(p.Validity)-s(p.Refresh))/slot*slot + slot + max(ttl, s(maxTTL)) + propagation + max(pub, ret)
	delegation := s(p.DSTTL) + s(p.ParentPropagation) + max(pub, ret)
	if p.NoParent {
		delegation = 60*86400 + ahead + 45*86400 + behind
	}
	middle := map[Role]int64{KSK: delegation, ZSK: signatures, CSK: max(signatures, delegation)}[r]
	return time.Duration(ahead+middle+behind) * time.Second
}

func withLifetime(p Policy, r Role, life time.Duration) Policy {
	p.KSKLifetime, p.ZSKLifetime, p.CSKLifetime = 0, 0, 0
	switch r {
	case KSK:
		p.KSKLifetime = life
	case ZSK:
		p.ZSKLifetime = life
	case CSK:
		p.Scheme, p.CSKLifetime = SchemeCSK, life
		p.ZSKLifetime = Default().ZSKLifetime
	}
	return p
}

// lifetimePolicies are those whose borders are tried: the default, one of
// seconds, and others in which each term is the one that counts.
func lifetimePolicies() map[string]Policy {
	list := map[string]Policy{"Default": Default()}
	add := func(name string, change func(p *Policy)) {
		p := Default()
		change(&p)
		list[name] = p
	}
	add("Seconds", func(p *Policy) {
		p.Validity, p.ValidityDNSKEY, p.Refresh, p.DNSKEYTTL = 30*time.Second, 30*time.Second, 10*time.Second, 2
		p.ZonePropagation, p.ParentPropagation, p.DSTTL = time.Second, time.Second, 2*time.Second
		p.PublishSafety, p.RetireSafety = time.Second, time.Second
	})
	add("LongDNSKEYTTL", func(p *Policy) { p.DNSKEYTTL = 4 * 86400 })
	add("LongPublishSafety", func(p *Policy) { p.PublishSafety = 3 * day })
	add("LongRetireSafety", func(p *Policy) { p.RetireSafety = 3 * day })
	add("SlowSecondaries", func(p *Policy) { p.ZonePropagation = 2 * day })
	add("SlowParent", func(p *Policy) { p.DSTTL, p.ParentPropagation = 7*day, 30*day })
	add("LongValidity", func(p *Policy) { p.Validity, p.ValidityDNSKEY = 400*day, 400*day })
	add("NoParent", func(p *Policy) { p.NoParent = true })
	return list
}

func TestCheck_LifetimesHaveRoomForARoll(t *testing.T) {
	for name, base := range lifetimePolicies() {
		for _, r := range []Role{KSK, ZSK, CSK} {
			need := takes(base, r, 0)
			for _, border := range []struct {
				life             time.Duration
				faults, warnings int
			}{
				{0, 0, 0}, {1 * time.Second, 1, 0}, {need, 1, 0}, {need + time.Second, 0, 1},
				{2*need - time.Second, 0, 1}, {2 * need, 0, 0},
			} {
				p := withLifetime(base, r, border.life)
				faults, warnings := p.Check()
				if len(faults) != border.faults || len(warnings) != border.warnings {
					t.Errorf("%s, %s lifetime %v of a roll of %v: faults %v, warnings %v", name, r, border.life, need, faults, warnings)
				}
				for _, err := range slices.Concat(faults, warnings) {
					if !strings.Contains(err.Error(), " = "+FormatDuration(need)+": ") {
						t.Errorf("%s: no sum of %v in %q", name, need, err)
					}
				}
			}
		}
	}
}

// TestCheckZone_LifetimesAndTheLongestTTL: what Check could not know becomes a
// warning, once, and only where signatures by the role are in the zone.
func TestCheckZone_LifetimesAndTheLongestTTL(t *testing.T) {
	const ttl = 4 * day
	for name, base := range lifetimePolicies() {
		base.Refresh, base.Validity = max(base.Refresh, 7*day), max(base.Validity, 14*day) // not what is tried here
		for _, r := range []Role{KSK, ZSK, CSK} {
			less, more := takes(base, r, 0), takes(base, r, ttl)
			for _, border := range []struct {
				life time.Duration
				want string
			}{
				{0, ""}, {more, "is not more than"}, {more + time.Second, "is less than twice"},
				{2*more - time.Second, "is less than twice"}, {2 * more, ""},
			} {
				p := withLifetime(base, r, border.life)
				told := border.life != 0 && border.life < 2*less // by Check
				warned := border.want != "" && less != more && (!told || border.life <= more)
				got := p.CheckZone(0, ttl, true)
				if len(got) > 1 || (len(got) == 1) != warned {
					t.Errorf("%s, %s lifetime %v of rolls of %v and %v: %v", name, r, border.life, less, more, got)
				}
				if len(got) == 1 && (!strings.Contains(got[0].Error(), border.want) || !strings.Contains(got[0].Error(), " = "+FormatDuration(more)+": ")) {
					t.Errorf("%s: %q and %v are not in %q", name, border.want, more, got[0])
				}
			}
		}
	}
}

func TestCheckZone_LifetimeTellsWhatWouldDo(t *testing.T) {
	p := Default()
	p.ZSKLifetime, p.Refresh = 30*day, 8*day
	want := []string{"zsk lifetime 30d is less than twice what a roll takes, " +
		"publishing 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + publish_safety 1h) + " +
		"moving the signatures 6d36m (signatures_validity 14d - signatures_refresh 8d in slots of 36m) + " +
		"forgetting the old ones 9d1h5m (the longest TTL 9d + zone_propagation_delay 5m + retire_safety 1h) + " +
		"withdrawing the old key 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + retire_safety 1h) = 15d5h51m: " +
		"a roll that is held up would still run when the next one is due; " +
		"zsk lifetime 30d11h42m or more, or signatures_validity of at most 13d18h10m27s, or TTLs of at most 8d18h9m, would do"}
	if got := texts(p.CheckZone(0, 9*day, false)[1:]); !slices.Equal(got, want) {
		t.Errorf("warnings\n%q, want\n%q", got, want)
	}
}

// TestLifetime_EachRemedyAloneWouldDo takes the values out of the texts of many
// policies, and does as they say.
func TestLifetime_EachRemedyAloneWouldDo(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 7))
	random := func(longest time.Duration) time.Duration {
		return time.Duration(1+rng.Int64N(int64(longest/time.Second))) * time.Second
	}
	tried := map[string]int{}
	for range 3000 {
		p := Default()
		scale := []time.Duration{time.Minute, day, 100 * day}[rng.IntN(3)]
		p.Refresh, p.DNSKEYTTL = random(scale), uint32(random(min(scale, maxDNSKEYTTL))/time.Second)
		p.Validity = p.Refresh + 4*time.Second + random(scale)
		p.ZonePropagation, p.PublishSafety, p.RetireSafety = random(scale/10), random(scale/10), random(scale/10)
		p.DSTTL, p.ParentPropagation = random(scale), random(scale)
		r := []Role{KSK, ZSK, CSK}[rng.IntN(3)]
		p = withLifetime(p, r, random(3*scale))
		maxTTL := random(scale)
		if p.room(r, maxTTL) == ample {
			continue
		}
		for _, remedy := range p.remedies(r, maxTTL) {
			q, ttl := p, maxTTL
			words := strings.Fields(remedy)
			d, _ := ParseDuration(words[slices.IndexFunc(words, func(w string) bool { return strings.ContainsAny(w, "0123456789") })])
			switch words[0] {
			case "signatures_validity":
				q.Validity = d
			case "TTLs":
				ttl = d
			default:
				q = withLifetime(p, r, d)
			}
			tried[words[0]]++
			if life := q.Lifetime(r); life < 2*takes(q, r, ttl) {
				t.Fatalf("%s would not do: lifetime %v, a roll takes %v\n%+v, longest TTL %v", remedy, life, takes(q, r, ttl), p, maxTTL)
			}
		}
	}
	for _, word := range []string{"ksk", "zsk", "csk", "signatures_validity", "TTLs"} {
		if tried[word] < 20 {
			t.Errorf("%s was advised %d times only", word, tried[word])
		}
	}
}
