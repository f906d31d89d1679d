package software

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
)

// WriteTiming implements keystore.TimingWriter. The .private file, which is
// believed, comes last: after a stop in between it has the times of before.
func (s *Store) WriteTiming(ctx context.Context, zone, id string, t keystore.Timing) error {
	err := s.dir.Exclusive(ctx, func() error {
		if _, err := s.find(zone, id); err != nil {
			return err
		}
		if s.dir.Exists(id + stateSuffix) {
			if err := s.dir.Remove(id + stateSuffix); err != nil {
				return err
			}
		}
		for _, f := range []struct {
			suffix, lead string
			format       func(time.Time) string
		}{
			{publicSuffix, "; ", publicTime},
			{privateSuffix, "", func(at time.Time) string { return at.Format(timeFormat) }},
		} {
			text, err := s.read(id + f.suffix)
			if err != nil {
				return err
			}
			if err := s.dir.Replace(id+f.suffix, []byte(setTimes(text, f.lead, t, f.format))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: note the times of key %s: %w", zone, id, err)
	}
	return nil
}

// setTimes puts times into the text of a key file in place of those that it has.
// All lines that tell no time stay as they are. Lines of times begin with lead;
// they come before the first line that does not.
func setTimes(text, lead string, t keystore.Timing, format func(time.Time) string) string {
	var before, after []string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, lead)
		tag, _, _ := strings.Cut(rest, ":")
		switch {
		case ok && slices.ContainsFunc(timings, func(m timingTag) bool { return m.tag == tag }):
		case ok && len(after) == 0:
			before = append(before, line)
		default:
			after = append(after, line)
		}
	}
	var b strings.Builder
	b.WriteString(strings.Join(before, ""))
	if len(before) > 0 && !strings.HasSuffix(before[len(before)-1], "\n") {
		b.WriteByte('\n')
	}
	for _, f := range timingFields(t) {
		fmt.Fprintf(&b, "%s%s: %s\n", lead, f.tag, format(f.value))
	}
	b.WriteString(strings.Join(after, ""))
	return b.String()
}

// publicTime is a time as it stands in .key files.
func publicTime(at time.Time) string {
	return at.Format(timeFormat) + " (" + at.Format("Mon Jan _2 15:04:05 2006") + ")"
}
