package autosign

import (
	"testing"
	"time"
)

// TestPass_WhatComesDueMeanwhileIsDoneNext: a pass that is slower than the
// slots of the schedule must not put the next signatures off.
func TestPass_WhatComesDueMeanwhileIsDoneNext(t *testing.T) {
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	now := began.Add(1500 * time.Millisecond)
	for _, tt := range []struct {
		name      string
		due, want time.Time
	}{
		{"later", now.Add(time.Second), now.Add(time.Second)},
		{"while the pass was at work", began.Add(time.Second), now},
		{"just when it ended", now, now},
		{"just when it began", began, now.Add(time.Minute)},
		{"long before", began.Add(-time.Hour), now.Add(time.Minute)},
	} {
		if got := afterPass(tt.due, began, now); !got.Equal(tt.want) {
			t.Errorf("due %s: next at %v, want %v", tt.name, got, tt.want)
		}
	}
}
