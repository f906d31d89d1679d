package policy

import "time"

// Bounds of a slot and of the number of slots in which a zone's signatures are
// spread.
const (
	slotsPerPeriod = 240
	minSlot        = time.Second
	maxSlot        = time.Hour
)

// SlotWidth returns w, the grid on which signatures are renewed: (V-R)/240 in
// whole seconds, at least a second, at most an hour.
func SlotWidth(validity, refresh time.Duration) time.Duration {
	return min(max(((validity-refresh)/slotsPerPeriod).Truncate(time.Second), minSlot), maxSlot)
}

// Period returns P, the time after which a signature is made anew: V-R rounded
// down to whole slots.
func Period(validity, refresh time.Duration) time.Duration {
	return max((validity - refresh).Truncate(SlotWidth(validity, refresh)), 0)
}

// Spread returns P + w, Dsgn of RFC 7583: how long it takes until all signatures
// have moved to other keys.
func Spread(validity, refresh time.Duration) time.Duration {
	return Period(validity, refresh) + SlotWidth(validity, refresh)
}

// spreadWithin returns a V-R whose Spread is within a time: nearly the
// longest, in whole seconds.
func spreadWithin(total time.Duration) time.Duration {
	slot := (total / (slotsPerPeriod + 1)).Truncate(time.Second) + time.Second
	return total - min(slot, maxSlot)
}
