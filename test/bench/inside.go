//go:build linux

package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/sign"
	"github.com/autosign-dns/autosign/plugin/source"
	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// signResult is what making a signed copy took inside one process.
type signResult struct {
	Signatures int
	LoadCPU    time.Duration // reading file's tree into a zone
	SignCPU    time.Duration // from that zone to the signed one
	VerifyCPU  time.Duration // judging it whole, all but the signatures themselves
	SignWall   time.Duration
}

// inside makes the signed copy as the server does, with the same packages in
// the same order, while file's own tree is in memory.
type inside struct {
	result signResult
	used   time.Duration // processor time at the last lap
}

func signJob(z Zone, args []string) (any, error) {
	parsed, err := parseFile(z, args[0])
	if err != nil {
		return nil, err
	}
	wire := make([]byte, 255)
	n, err := dns.PackDomainName(z.Origin, wire, 0, nil, false)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	m := &inside{used: processCPU()}
	snap, err := source.NewFile(parsed, wire[:n]).Load(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	m.lap(&m.result.LoadCPU)
	signed, err := m.sign(snap.Zone, Denial(args[1]))
	if err != nil {
		return nil, err
	}
	m.lap(&m.result.SignCPU)
	o := verify.Options{Now: time.Now(), Signatures: func(verify.Check) error { return nil }}
	if _, err := verify.Zone(wire[:n], verifyRecords(signed), o); err != nil {
		return nil, err
	}
	m.lap(&m.result.VerifyCPU)
	runtime.KeepAlive(parsed)
	return m.result, nil
}

// lap adds the processor time since the last lap.
func (m *inside) lap(to *time.Duration) {
	now := processCPU()
	*to, m.used = now-m.used, now
}

// sign makes the first version of a zone with new keys, on all cores.
func (m *inside) sign(z *zone.Zone, d Denial) (*zone.Signed, error) {
	start := time.Now()
	in, err := signInput(z, d)
	if err != nil {
		return nil, err
	}
	plan, err := sign.NewPlan(in)
	if err != nil {
		return nil, err
	}
	if err := runJobs(plan.Jobs()); err != nil {
		return nil, err
	}
	s, err := plan.Assemble()
	if err != nil {
		return nil, err
	}
	if s, err = plan.Seal(s, 1); err != nil {
		return nil, err
	}
	m.result.SignWall = time.Since(start)
	m.result.Signatures = plan.Signatures()
	return s, nil
}

// signInput is what the default policy with new keys comes to.
func signInput(z *zone.Zone, d Denial) (sign.Input, error) {
	p := policy.Default()
	in := sign.Input{
		Zone:      z,
		Denial:    policy.Denial{NSEC3: d != NSEC, OptOut: d == OptOut},
		DNSKEYTTL: p.DNSKEYTTL,
		Now:       time.Now(),
	}
	for _, role := range []policy.Role{policy.KSK, policy.ZSK} {
		signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return in, err
		}
		k, err := key.New(role, policy.ECDSAP256SHA256, crypto.PublicKey(&signer.PublicKey))
		if err != nil {
			return in, err
		}
		in.Keys = append(in.Keys, sign.NewKey(k, true, signer))
	}
	in.Generations = []sign.Generation{{
		Since: in.Now, Validity: p.Validity, ValidityDNSKEY: p.ValidityDNSKEY, Refresh: p.Refresh,
		ZoneSigners: []int{1},
	}}
	in.DNSKEYSigners = []int{0}
	return in, nil
}

// runJobs runs jobs on as many threads as there are cores.
func runJobs(jobs []sign.Job) error {
	var next atomic.Int64
	var once sync.Once
	var failed error
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for n := next.Add(1) - 1; int(n) < len(jobs); n = next.Add(1) - 1 {
				if err := jobs[n].Run(); err != nil {
					once.Do(func() { failed = err })
					return
				}
			}
		})
	}
	workers.Wait()
	return failed
}

// verifyRecords hands the records of a signed zone to verify, which has a type
// of its own for them.
func verifyRecords(s *zone.Signed) iter.Seq[verify.Record] {
	return func(yield func(verify.Record) bool) {
		for r := range s.SignedRecords() {
			if !yield(verify.Record{Owner: r.Owner, Type: r.Type, TTL: r.TTL, RData: r.RData}) {
				return
			}
		}
	}
}
