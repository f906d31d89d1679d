package policy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const week = 7 * day

// ParseDuration reads a duration of whole seconds: Go's units and d (24 hours)
// and w (7 days), largest first or in any order, such as 14d, 1w12h or 90m.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errors.New("duration is empty")
	}
	var total time.Duration
	for rest := s; rest != ""; {
		number := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		unit := len(rest[number:]) - len(strings.TrimLeft(rest[number:], "abcdefghijklmnopqrstuvwxyzµ"))
		part := rest[:number+unit]
		if number == 0 || unit == 0 {
			return 0, fmt.Errorf("%q is not a duration such as 90m, 36h, 14d or 2w", s)
		}
		d, err := parsePart(part[:number], part[number:])
		if err != nil || d > math.MaxInt64-total {
			return 0, fmt.Errorf("%q is not a duration such as 90m, 36h, 14d or 2w", s)
		}
		total, rest = total+d, rest[number+unit:]
	}
	if total%time.Second != 0 {
		return 0, fmt.Errorf("duration %q is not in whole seconds", s)
	}
	return total, nil
}

func parsePart(number, unit string) (time.Duration, error) {
	size := day
	switch unit {
	case "w":
		size = week
	case "d":
	default:
		return time.ParseDuration(number + unit)
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n*float64(size) >= math.MaxInt64 {
		return 0, errors.New("out of range")
	}
	return time.Duration(math.Round(n * float64(size))), nil
}

// FormatDuration writes a duration of whole seconds as ParseDuration reads it:
// 14d, 1d12h, 90m as 1h30m. One below zero, which is never read, gets a sign.
func FormatDuration(d time.Duration) string {
	if d <= -time.Second {
		return "-" + FormatDuration(-max(d, -math.MaxInt64))
	}
	var b strings.Builder
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / unit.size; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + unit.name)
			d -= n * unit.size
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
