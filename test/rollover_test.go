package test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The flags of keys (RFC 4034 section 2.1.1): a CSK has those of a KSK.
const (
	zskFlags = dns.ZONE
	kskFlags = dns.ZONE | dns.SEP
)

// stories are the rollovers that run live. All play at once, each in a zone of
// its own.
var stories = []story{
	{
		name:   "ZSK",
		policy: []string{"zsk lifetime 40s"},
		keys:   3, signatures: 1,
		play: func(t *testing.T, a *actor) {
			for round := range a.rounds {
				a.replaced(t, fmt.Sprintf("ZSK roll %d is over", round+1), a.recorder.view().with(zskFlags))
			}
		},
	},
	{
		name:   "KSK",
		policy: []string{"ksk lifetime 30s"},
		keys:   3, signatures: 2,
		play: func(t *testing.T, a *actor) {
			for round := range a.rounds {
				a.replaced(t, fmt.Sprintf("KSK roll %d is over", round+1), a.recorder.view().with(kskFlags))
			}
		},
	},
	{
		name:   "CSK",
		policy: []string{"scheme csk", "csk lifetime 40s"},
		keys:   2, signatures: 2,
		play: func(t *testing.T, a *actor) {
			a.replaced(t, "CSK roll is over", a.recorder.view().keys)
		},
	},
	{
		name:   "Algorithm",
		policy: []string{"algorithm ECDSAP256SHA256"},
		keys:   4, signatures: 2,
		play: func(t *testing.T, a *actor) {
			old := a.recorder.view().keys
			a.change(t, a.zone, "algorithm ED25519")
			a.replaced(t, "the old algorithm is gone", old)
		},
	},
	{
		name:   "Scheme",
		policy: []string{"scheme split"},
		keys:   3, signatures: 2,
		play: func(t *testing.T, a *actor) {
			for _, scheme := range []string{"csk", "split"} {
				old := a.recorder.view().keys
				a.change(t, a.zone, "scheme "+scheme)
				a.replaced(t, "scheme "+scheme, old)
			}
		},
	},
	{
		name:   "Denial",
		policy: []string{"denial nsec"},
		keys:   2, signatures: 1,
		play: func(t *testing.T, a *actor) {
			for _, denial := range []string{"nsec3", "nsec"} {
				a.change(t, a.zone, "denial "+denial)
				until(t, "denial "+denial, func() string {
					if n := len(records(a.addr, a.zone, dns.TypeNSEC3PARAM)); (n > 0) != (denial == "nsec3") {
						return "not yet"
					}
					return ""
				})
				a.recorder.mark("-- denial %s", denial)
				a.rest(t)
			}
		},
	},
	{
		name: "Insecure",
		keys: 2, signatures: 1,
		play: goInsecureAndBack,
	},
	{
		name:   "ByHand",
		policy: []string{"cds off", "ksk lifetime 30s"},
		keys:   3, signatures: 2,
		byHand: true,
		play:   rollByHand,
	},
	{
		name: "Wavering",
		keys: 2, signatures: 1,
		byHand: true,
		play: func(t *testing.T, a *actor) {
			a.change(t, a.zone, "insecure on")
			a.recorder.wait(t, "the parent is asked to remove the DS", func(p picture) bool { return slices.Equal(p.cds, []string{"delete"}) })
			a.rest(t)
			a.change(t, a.zone, "insecure off")
			a.recorder.wait(t, "the parent is asked to keep the DS", func(p picture) bool {
				return len(p.ds) == 1 && slices.Equal(p.cds, []string{fmt.Sprint(p.ds[0])})
			})
		},
	},
	{
		name:   "Together",
		policy: []string{"denial nsec3", "ksk lifetime 30s", "zsk lifetime 40s"},
		keys:   6, signatures: 2,
		play: everythingAtOnce,
	},
	{
		name:   "Local",
		policy: []string{"zsk lifetime 40s"},
		child:  []string{"ksk lifetime 30s"},
		keys:   3, signatures: 2,
		play: func(t *testing.T, a *actor) {
			a.replaced(t, "KSK roll is over", a.recorder.view().with(kskFlags))
		},
	},
}

// everythingAtOnce changes the algorithm in the middle of rolls of both roles,
// the scheme and the denial in the middle of that.
func everythingAtOnce(t *testing.T, a *actor) {
	old := a.recorder.view().keys
	a.recorder.wait(t, "there is a new KSK", func(p picture) bool { return len(p.with(kskFlags)) == 2 })
	a.change(t, a.zone, "algorithm ED25519", "denial nsec3", "ksk lifetime 30s", "zsk lifetime 40s")
	a.recorder.wait(t, "there are keys of the new algorithm", func(p picture) bool { return p.algorithms() == 2 })
	a.change(t, a.zone, "algorithm ED25519", "scheme csk", "denial nsec")
	a.replaced(t, "the first keys are gone", old)
	a.recorder.wait(t, "there is one CSK", func(p picture) bool {
		return len(p.keys) == 1 && p.algorithms() == 1 && len(p.ds) == 1 && slices.Equal(p.data, p.ds) && slices.Equal(p.signers, p.ds)
	})
}

// algorithms counts those of the DNSKEY set.
func (p picture) algorithms() int {
	found := map[uint8]bool{}
	for _, k := range p.keys {
		found[k.Algorithm] = true
	}
	return len(found)
}

// goInsecureAndBack withdraws the DS through CDS (RFC 8078 section 4), then the
// signatures, then signs again; the DS comes back by hand, since nothing in an
// insecure zone can vouch for it.
func goInsecureAndBack(t *testing.T, a *actor) {
	a.expects(mayBeEither)
	a.change(t, a.zone, "insecure on")
	a.recorder.wait(t, "the parent has no DS", func(p picture) bool { return len(p.ds) == 0 })
	a.recorder.wait(t, "the zone is unsigned", func(p picture) bool { return len(p.keys)+len(p.data) == 0 })
	a.expects(mustBeInsecure)
	a.rest(t)
	a.expects(mayBeEither)
	a.change(t, a.zone)
	a.recorder.wait(t, "the zone is signed again", func(p picture) bool { return len(p.keys) > 0 && len(p.cds) > 0 })
	a.delegate(t, a.zone)
	a.trusted(t, a.zone)
	a.rest(t)
	a.expects(mustBeSecure)
}

// rollByHand has the operator bring the new DS to the parent when the server
// wants it there: the file beside the keys says so.
func rollByHand(t *testing.T, a *actor) {
	old := a.recorder.view()
	var set []*dns.DS
	a.recorder.wait(t, "a new DS is wanted", func(picture) bool {
		set = nil
		zp := dns.NewZoneParser(strings.NewReader(dsset(t, a.dir, a.zone)), "", "")
		for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
			set = append(set, rr.(*dns.DS))
		}
		return len(set) > 0 && !slices.ContainsFunc(set, func(ds *dns.DS) bool { return slices.Contains(old.ds, ds.KeyTag) })
	})
	a.parent.replace(t, a.zone, set...)
	a.recorder.mark("-- the operator has replaced the DS")
	keys := old.with(kskFlags)
	maps.DeleteFunc(keys, func(_ string, k *dns.DNSKEY) bool { return !slices.Contains(old.ds, k.KeyTag()) })
	a.replaced(t, "KSK roll is over", keys)
}

// TestRollover_NoQuestionIsEverBogus plays all stories on one server, with BIND
// as its secondary; each version that it was given must be whole.
func TestRollover_NoQuestionIsEverBogus(t *testing.T) {
	t.Parallel()
	g := newStage(t, secondaries[0], false)
	g.playAll(t, g.checkCopies)
}

// TestRollover_KilledAtRandom_NoQuestionIsEverBogus plays them on a server that
// dies again and again, as in a power cut, at any moment of any roll. A
// secondary answers meanwhile; each version that it was given must be whole.
func TestRollover_KilledAtRandom_NoQuestionIsEverBogus(t *testing.T) {
	t.Parallel()
	// Knot takes a primary that was dead for alive again as soon as it is; BIND
	// waits for minutes.
	knot := secondaries[2]
	knot.conf = func(dir string, port, primary int, zones []string) string {
		return strings.ReplaceAll(knotConf(dir, port, primary, zones), "    dnssec-validation: on\n", "") // one zone goes insecure
	}
	g := newStage(t, knot, true)
	g.playAll(t, g.killer, g.checkCopies)
}

// playAll plays all stories at once, while the registry looks after their DS
// and others do what they do, until the last story is over.
func (g *stage) playAll(t *testing.T, others ...func(*testing.T)) {
	t.Helper()
	var looked []string
	var all, aside sync.WaitGroup
	for _, s := range stories {
		if !s.byHand {
			looked = append(looked, zoneOf(s.name))
		}
		all.Go(func() { t.Run(s.name, func(t *testing.T) { g.play(t, s.name, s) }) })
	}
	others = append(others, func(t *testing.T) { g.parent.watch(t, g.ended, g.secondary, looked...) })
	for i, other := range others {
		aside.Go(func() { t.Run(fmt.Sprint("beside", i), other) })
	}
	all.Wait()
	close(g.ended)
	aside.Wait()
}

// What a run must have seen to tell anything. Runs have seen 20 to 40 kills, and
// 220 to 510 versions of 12 zones.
const (
	fewestKills    = 6
	fewestVersions = 4 // of a zone, in the mean
)

// killer kills the server at random moments and starts it again.
func (g *stage) killer(t *testing.T) {
	kills := 0
	for {
		life := time.NewTimer(time.Duration(2000+rand.IntN(6000)) * time.Millisecond)
		select {
		case <-g.ended:
			if t.Logf("killed %d times", kills); kills < fewestKills {
				t.Errorf("killed %d times only: the stories were not put to the test", kills)
			}
			return
		case <-life.C:
		}
		g.mu.Lock()
		g.kill()
		g.launch(t)
		g.mu.Unlock()
		kills++
	}
}

// checkCopies verifies every version that it finds at the secondary: by strict
// rules, since each algorithm in the DNSKEY set must have signed everything.
func (g *stage) checkCopies(t *testing.T) {
	g.mu.Lock()
	zones := slices.Sorted(maps.Keys(g.policies))
	g.mu.Unlock()
	serials, versions, dir := map[string]uint32{}, 0, t.TempDir()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, zone := range zones {
			serial, problem := soa(g.secondary, zone)
			if problem != "" || serials[zone] == serial {
				continue // the story of Insecure has versions without signatures
			}
			if old, ok := serials[zone]; ok && int32(serial-old) < 0 {
				t.Errorf("%s: serial %d after %d", zone, serial, old)
			}
			serials[zone] = serial
			rrs, err := transfer(g.secondary, zone)
			if err != nil || !slices.ContainsFunc(rrs, isType(dns.TypeRRSIG)) {
				continue // it just takes in the next
			}
			versions++
			write(t, dir, map[string]string{"copy": joined(rrs[:len(rrs)-1])})
			// A CSK stands for both roles.
			if out, ok := output(t, dir, "dnssec-verify", "-z", "-o", zone, "copy"); !ok {
				t.Errorf("dnssec-verify refuses %s:\n%s\n%s", zone, shorten(out), joined(rrs))
			}
		}
		select {
		case <-g.ended:
			if t.Logf("%d versions verified", versions); versions < fewestVersions*len(zones) {
				t.Errorf("%d versions of %d zones verified only: the secondary has hardly anything signed", versions, len(zones))
			}
			return
		case <-tick.C:
		}
	}
}
