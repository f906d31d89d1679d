package sign

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

func TestNextSerial(t *testing.T) {
	day := time.Date(2026, 11, 23, 23, 59, 0, 0, time.UTC)
	const today, unix = 2026112300, 1795478340
	tests := []struct {
		name    string
		scheme  policy.SerialScheme
		last    uint32
		hasLast bool
		source  uint32
		want    uint32
	}{
		{"one more", policy.SerialIncrement, 41, true, 5, 42},
		{"first: newer than the unsigned zone", policy.SerialIncrement, 0, false, 5, 6},
		{"the source is ahead", policy.SerialIncrement, 41, true, 2000000000, 2000000000},
		{"the source is behind over the wrap", policy.SerialIncrement, 5, true, 4294967290, 6},
		{"the source is ahead over the wrap", policy.SerialIncrement, 4294967290, true, 3, 3},
		{"never zero", policy.SerialIncrement, 4294967295, true, 4294967295, 1},
		{"half way round is not ahead", policy.SerialIncrement, 10, true, 10 + 1<<31, 11},
		{"just below half way is", policy.SerialIncrement, 10, true, 9 + 1<<31, 9 + 1<<31},
		{"unixtime", policy.SerialUnixTime, 41, true, 5, unix},
		{"unixtime twice in a second", policy.SerialUnixTime, unix, true, 5, unix + 1},
		{"from date back to unixtime", policy.SerialUnixTime, today, true, 5, today + 1},
		{"date", policy.SerialDate, 41, true, 5, today},
		{"date again", policy.SerialDate, today, true, 5, today + 1},
		{"date with a hundred versions", policy.SerialDate, today + 150, true, 5, today + 151},
		{"from unixtime to date", policy.SerialDate, unix, true, 5, today},
		{"the source is ahead of the date", policy.SerialDate, today, true, today + 300, today + 300},
		{"unixtime over the wrap", policy.SerialUnixTime, 4200000000, true, 7, unix},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := NextSerial(tc.scheme, tc.last, tc.hasLast, tc.source, day)
			if got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
			if tc.hasLast && !SerialAfter(got, tc.last) {
				t.Errorf("%d is not after %d", got, tc.last)
			}
		})
	}
}
