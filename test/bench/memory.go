//go:build linux

package main

import (
	"context"
	"fmt"
)

// memory measures the live heap beside what file holds: a server that signs,
// less one in which file alone holds the zone.
func (b *bench) memory(ctx context.Context, z Zone, d Denial) error {
	held, plain, err := b.heap(ctx, z, d, signer{Plain: true})
	if err != nil {
		return err
	}
	signed, ours, err := b.heap(ctx, z, d, signer{})
	if err != nil {
		return err
	}
	target := 80.0
	if z.Delegations > 100_000 {
		target = 500
	}
	b.table.Add(Figure{
		What:    fmt.Sprintf("%s %s: live heap beside file's, MiB", z.Name, d),
		Reading: fmt.Sprintf("%.0f - %.0f MiB", mebibytes(signed), mebibytes(held)),
		Reached: mebibytes(signed - held),
		Target:  target,
	})
	b.table.Add(Figure{
		What:    fmt.Sprintf("%s %s: PSS / file alone", z.Name, d),
		Reading: fmt.Sprintf("%d / %d MiB", ours.pss>>10, plain.pss>>10),
		Reached: float64(ours.pss) / float64(plain.pss),
	})
	b.table.Add(Figure{
		What:    fmt.Sprintf("%s %s: peak of a first signing / file alone", z.Name, d),
		Reading: fmt.Sprintf("%d / %d MiB", ours.peak>>10, plain.peak>>10),
		Reached: float64(ours.peak) / float64(plain.peak),
	})
	return nil
}

// resident is what the kernel says of a process, in KiB.
type resident struct{ pss, peak int64 }

// heap starts a server and returns its live heap in octets.
func (b *bench) heap(ctx context.Context, z Zone, d Denial, o signer) (int64, resident, error) {
	s, err := b.startSigner(ctx, z, d, o)
	if err != nil {
		return 0, resident{}, err
	}
	defer s.Stop()
	var r resident
	if r.pss, r.peak, err = s.Resident(); err != nil {
		return 0, r, err
	}
	live, err := b.liveHeap()
	return live, r, err
}

func mebibytes(octets int64) float64 { return float64(octets) / (1 << 20) }
