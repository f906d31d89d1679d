//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// parseResult is the shortest parse of a zone file by the file plugin.
type parseResult struct{ Wall, CPU time.Duration }

// parseCost returns what file takes to parse the zone, measured once a run.
func (b *bench) parseCost(ctx context.Context, z Zone) (parseResult, error) {
	if r, ok := b.parsed[z.Name]; ok {
		return r, nil
	}
	file, err := b.zoneFile(z)
	if err != nil {
		return parseResult{}, err
	}
	var r parseResult
	if err := b.child(ctx, 4*time.Minute, "", &r, "parse", z.Name, file, strconv.Itoa(b.rounds)); err != nil {
		return r, err
	}
	b.parsed[z.Name] = r
	b.table.Add(Figure{
		What:    z.Name + ": file parses the zone",
		Reading: fmt.Sprintf("%.2f s, CPU %.2f s", r.Wall.Seconds(), r.CPU.Seconds()),
	})
	return r, nil
}

func parseJob(z Zone, args []string) (any, error) {
	rounds, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	wall, cpu, err := parse(z, args[0], rounds)
	return parseResult{wall, cpu}, err
}

// rawCost returns the cost of one raw signature, measured once a run.
func (b *bench) rawCost(ctx context.Context) (time.Duration, error) {
	if b.raw > 0 {
		return b.raw, nil
	}
	if err := b.child(ctx, time.Minute, askerCore, &b.raw, "raw", Small.Name); err != nil {
		return 0, err
	}
	b.table.Add(Figure{
		What:    "one ECDSA P-256 signature in Go, one core",
		Reading: fmt.Sprintf("%.1f us", microseconds(b.raw)),
	})
	return b.raw, nil
}

// sign measures a first signing: the server's own time from a loaded source to
// service beside kzonesign, and the processor time of the signed copy beside
// what its signatures alone would take.
func (b *bench) sign(ctx context.Context, z Zone, d Denial) error {
	raw, err := b.rawCost(ctx)
	if err != nil {
		return err
	}
	file, err := b.zoneFile(z)
	if err != nil {
		return err
	}
	var peer, ours Cost
	var made published
	var inside signResult
	for n := range b.rounds {
		k, err1 := kzonesign(ctx, b.dir, z, file, d, 4*time.Minute)
		o, p, err2 := b.firstSigning(ctx, z, d)
		var in signResult
		err3 := b.child(ctx, 4*time.Minute, "", &in, "sign", z.Name, file, string(d))
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if n == 0 || k.Wall < peer.Wall {
			peer = k
		}
		if n == 0 || o.Wall < ours.Wall {
			ours, made = o, p
		}
		if n == 0 || in.SignCPU < inside.SignCPU {
			inside = in
		}
	}
	b.reportSigning(z, d, raw, peer, ours, made, inside)
	return nil
}

// firstSigning starts a server and returns what it says of its first version.
func (b *bench) firstSigning(ctx context.Context, z Zone, d Denial) (Cost, published, error) {
	srv, err := b.startSigner(ctx, z, d, signer{})
	if err != nil {
		return Cost{}, published{}, err
	}
	defer srv.Stop()
	_, p, err := srv.awaitPublished(10*time.Second, 0, z)
	return Cost{Wall: p.Took}, p, err
}

func (b *bench) reportSigning(z Zone, d Denial, raw time.Duration, peer, ours Cost, made published, in signResult) {
	b.table.Add(Figure{
		What: fmt.Sprintf("%s %s: first signing, wall / kzonesign's", z.Name, d),
		Reading: fmt.Sprintf("%.2f / %.2f s, %d signatures; kzonesign CPU %.1f s, peak %d MiB",
			ours.Wall.Seconds(), peer.Wall.Seconds(), made.Signatures, peer.CPU.Seconds(), peer.PeakKiB>>10),
		Reached: float64(ours.Wall) / float64(peer.Wall),
		Target:  0.6,
	})
	limit, target := raw*time.Duration(in.Signatures), 1.3
	if z.Hosts == 0 {
		target = 0 // what is asked for is the wall time
	}
	b.table.Add(Figure{
		What:    fmt.Sprintf("%s %s: CPU of the signed copy / its raw signatures", z.Name, d),
		Reading: fmt.Sprintf("%.2f / %.2f s, reading the source %.2f s, verifying %.2f s", in.SignCPU.Seconds(), limit.Seconds(), in.LoadCPU.Seconds(), in.VerifyCPU.Seconds()),
		Reached: float64(in.SignCPU) / float64(limit),
		Target:  target,
	})
	if want := z.Signatures(d); want != in.Signatures || want != made.Signatures {
		b.table.Add(Figure{
			What:    fmt.Sprintf("%s %s: signatures that are missing or too many", z.Name, d),
			Reading: fmt.Sprintf("%d served, %d inside, want %d", made.Signatures, in.Signatures, want),
			Reached: 1, Target: 0.5,
		})
	}
}
