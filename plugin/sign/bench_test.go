package sign

import (
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// mediumZone is a zone of names with A and AAAA each, some with TXT, and a
// hundredth of delegations, half of them signed.
func mediumZone(b testing.TB, names int, changed int, prev *zone.Zone) *zone.Zone {
	zb := zone.NewBuilder(wire(b, "example.org"))
	zb.Grow(5 * names / 2)
	apex := wire(b, "example.org")
	soa := append(wire(b, "ns.example.org"), wire(b, "host.example.org")...)
	for _, n := range []uint32{1, 7200, 3600, 1209600, 3600} {
		soa = binary.BigEndian.AppendUint32(soa, n)
	}
	zb.Add(apex, zone.TypeSOA, 1, 3600, soa)
	zb.Add(apex, zone.TypeNS, 1, 3600, wire(b, "ns.example.net"))
	owner := make([]byte, 0, 64)
	for n := range names {
		label := fmt.Sprintf("host-%06d", n)
		owner = append(append(append(owner[:0], byte(len(label))), label...), apex...)
		a := []byte{192, 0, 2, byte(n)}
		if n == changed {
			a[3]++
		}
		switch {
		case n%100 == 0:
			zb.Add(owner, zone.TypeNS, 1, 3600, wire(b, "ns.example.net"))
			if n%200 == 0 {
				zb.Add(owner, zone.TypeDS, 1, 3600, make([]byte, 36))
			}
		default:
			zb.Add(owner, 1, 1, 3600, a)
			zb.Add(owner, 28, 1, 3600, append(make([]byte, 15), byte(n)))
			if n%10 == 1 {
				zb.Add(owner, 16, 1, 3600, []byte("\x05hello"))
			}
		}
	}
	z, _, err := zb.Build(prev)
	if err != nil {
		b.Fatal(err)
	}
	return z
}

// cpu returns the CPU time that the process has used.
func cpu(b testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rawSignature measures one signature by the bare library.
func rawSignature(b testing.TB, s crypto.Signer) time.Duration {
	const count = 4000
	sum := sha256.Sum256([]byte("sample"))
	start := cpu(b)
	for range count {
		if _, err := s.Sign(nil, sum[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
	return (cpu(b) - start) / count
}

// signAll signs with two workers.
func signAll(b testing.TB, in Input) (*zone.Signed, int) {
	p, err := NewPlan(in)
	if err != nil {
		b.Fatal(err)
	}
	jobs := make(chan Job, len(p.Jobs()))
	for _, j := range p.Jobs() {
		jobs <- j
	}
	close(jobs)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for j := range jobs {
				if err := j.Run(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s, err := p.Assemble()
	if err != nil {
		b.Fatal(err)
	}
	if s, err = p.Seal(s, 1); err != nil {
		b.Fatal(err)
	}
	return s, p.Signatures()
}

var benchDenials = []policy.Denial{{}, {NSEC3: true}}

// BenchmarkSign signs 100,000 names and tells the CPU time as a multiple of
// what the bare signatures take.
func BenchmarkSign(b *testing.B) {
	z := mediumZone(b, 100_000, -1, nil)
	for _, d := range benchDenials {
		b.Run(d.String(), func(b *testing.B) {
			in := input(b, z, policy.ECDSAP256SHA256)
			in.Denial = d
			b.ReportAllocs()
			raw := rawSignature(b, in.Keys[1].Signer)
			made := 0
			start := cpu(b)
			for b.Loop() {
				_, n := signAll(b, in)
				made += n
			}
			used := cpu(b) - start
			raw = (raw + rawSignature(b, in.Keys[1].Signer)) / 2
			b.ReportMetric(float64(used)/float64(time.Duration(made)*raw), "cpu-ratio")
			b.ReportMetric(float64(made)/float64(b.N), "signatures")
		})
	}
}

// BenchmarkSign_OverheadOnly signs 100,000 names with a signer that costs
// nearly nothing: what is left is the package's own work.
func BenchmarkSign_OverheadOnly(b *testing.B) {
	z := mediumZone(b, 100_000, -1, nil)
	for _, d := range benchDenials {
		b.Run(d.String(), func(b *testing.B) {
			in := newWorld(b).in
			in.Zone, in.Denial = z, d
			for i := range in.Keys {
				in.Keys[i].Signer = nullSigner{in.Keys[i].Signer, make([]byte, 64)}
			}
			b.ReportAllocs()
			start, made := cpu(b), 0
			for b.Loop() {
				_, n := signAll(b, in)
				made += n
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(made), "cpu-ns/signature")
		})
	}
}

// BenchmarkSign_OneChange signs 100,000 names again after one record changed.
func BenchmarkSign_OneChange(b *testing.B) {
	for _, d := range benchDenials {
		b.Run(d.String(), func(b *testing.B) {
			in := input(b, mediumZone(b, 100_000, -1, nil), policy.ECDSAP256SHA256)
			in.Denial = d
			first, _ := signAll(b, in)
			in.Zone = mediumZone(b, 100_000, 55_555, in.Zone)
			in.Previous = first
			b.ReportAllocs()
			start := cpu(b)
			for b.Loop() {
				if _, n := signAll(b, in); n != 2 {
					b.Fatalf("%d signatures", n)
				}
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}

// BenchmarkSign_OneSlot signs what is due in one slot of 100,000 names.
func BenchmarkSign_OneSlot(b *testing.B) {
	in := input(b, mediumZone(b, 100_000, -1, nil), policy.ECDSAP256SHA256)
	first, _ := signAll(b, in)
	in.Previous = first
	in.Now = time.Unix(first.Due, 0)
	b.ReportAllocs()
	start, made := cpu(b), 0
	for b.Loop() {
		_, n := signAll(b, in)
		made += n
	}
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N)/1e6, "cpu-ms/op")
	b.ReportMetric(float64(made)/float64(b.N), "signatures")
}
