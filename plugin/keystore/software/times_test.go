package software

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/durable"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// TestWriteTiming_BINDReadsIt for keys of ours and of dnssec-keygen: the times are
// those that were written, all else in the files is as before.
func TestWriteTiming_BINDReadsIt(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	s := New(t.TempDir())
	own, err := s.Create(t.Context(), zone, keystore.Spec{Role: policy.ZSK, Algorithm: policy.ED25519, Now: at, Spare: true})
	if err != nil {
		t.Fatal(err)
	}
	if own.Timing != (keystore.Timing{Created: at}) {
		t.Errorf("a spare has the times %+v", own.Timing)
	}
	ids := []string{own.ID}
	if id, ok := run(t, s.dir.Path(), "dnssec-keygen", "-q", "-k", "default", "-l", config(t), zone); ok {
		ids = append(ids, id)
	}
	for _, id := range ids {
		before, err := s.Open(t.Context(), zone, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []keystore.Timing{
			{Created: at, Publish: at.Add(time.Hour)},
			{Created: at, Publish: at.Add(time.Hour), Activate: at.Add(2 * time.Hour), Inactive: at.Add(3 * time.Hour), Delete: at.Add(4 * time.Hour)},
			{Created: at, Activate: at.Add(time.Hour)},
		} {
			if err := s.WriteTiming(t.Context(), zone, id, want); err != nil {
				t.Fatal(err)
			}
			list, err := s.List(t.Context(), zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if e.ID == id && (e.Err != nil || e.Timing != want || e.State != nil) {
					t.Errorf("%s: %v, times %+v, want %+v", id, e.Err, e.Timing, want)
				}
			}
			var lines []string
			for _, m := range []struct {
				tag string
				at  time.Time
			}{{"Created", want.Created}, {"Publish", want.Publish}, {"Activate", want.Activate}, {"Inactive", want.Inactive}, {"Delete", want.Delete}} {
				text := "UNSET"
				if !m.at.IsZero() {
					text = fmt.Sprint(m.at.Unix())
				}
				lines = append(lines, m.tag+": "+text)
			}
			got, ok := run(t, s.dir.Path(), "dnssec-settime", "-u", "-p", "C", "-p", "P", "-p", "A", "-p", "I", "-p", "D", id)
			if want := strings.Join(lines, "\n"); ok && got != want {
				t.Errorf("dnssec-settime reads\n%s, want\n%s", got, want)
			}
		}
		after, err := s.Open(t.Context(), zone, id)
		if err != nil || fmt.Sprint(before.Public()) != fmt.Sprint(after.Public()) {
			t.Errorf("%s is another key now: %v", id, err)
		}
	}
}

// A stop at any moment leaves a key that can be used, and times that are seen to
// be those of before until all of them are written.
func TestWriteTiming_StopsLeaveAWholeKey(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for n := 1; ; n++ {
		s := New(t.TempDir())
		e, err := s.Create(t.Context(), zone, keystore.Spec{Role: policy.ZSK, Algorithm: policy.ED25519, Now: at})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.dir.Path(e.ID+stateSuffix), []byte("Algorithm: 15\nKSK: no\nZSK: yes\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		steps := 0
		s.dir.Fault = func(durable.Step, string) error {
			if steps++; steps == n {
				return os.ErrDeadlineExceeded
			}
			return nil
		}
		want := keystore.Timing{Created: at, Publish: at, Activate: at, Inactive: at, Delete: at}
		err = s.WriteTiming(t.Context(), zone, e.ID, want)
		s.dir.Fault = nil
		list, failed := s.List(t.Context(), zone)
		if failed != nil || len(list) != 1 || list[0].Err != nil {
			t.Fatalf("stopped at step %d: %v, %+v", n, failed, list)
		}
		if err == nil {
			if n < 8 || list[0].Timing != want || list[0].State != nil {
				t.Errorf("after %d steps: %+v", n, list[0])
			}
			return
		}
	}
}
