package keystore

import (
	"testing"
	"time"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestTiming_MeansWhatBINDsToolsMean lists the cases that dnssec-signzone -S
// tells apart.
func TestTiming_MeansWhatBINDsToolsMean(t *testing.T) {
	past, future := now.Add(-time.Hour), now.Add(time.Hour)
	tests := []struct {
		name                 string
		timing               Timing
		publish, signs, sync bool
	}{
		{"Unset", Timing{Created: past}, false, false, false},
		{"FromNowOn", Timing{Publish: now, Activate: now}, true, true, false},
		{"Published", Timing{Publish: past}, true, false, false},
		{"PublishedSignsLater", Timing{Publish: past, Activate: future}, true, false, false},
		{"PublishLater", Timing{Publish: future, Activate: future}, false, false, false},
		{"ActiveButPublishedLater", Timing{Publish: future, Activate: past}, false, false, false},
		{"ActivationAloneIsPublished", Timing{Activate: future}, true, false, false},
		{"ActiveAlone", Timing{Activate: past}, true, true, false},
		{"Inactive", Timing{Publish: past, Activate: past, Inactive: now}, true, false, false},
		{"InactiveLater", Timing{Publish: past, Activate: past, Inactive: future}, true, true, false},
		{"Deleted", Timing{Publish: past, Activate: past, Delete: now}, false, false, false},
		{"DeletedLater", Timing{Publish: past, Activate: past, Delete: future}, true, true, false},
		{"RevokedSigns", Timing{Publish: past, Activate: past, Inactive: past, Revoke: past}, true, true, false},
		{"RevokedLater", Timing{Publish: past, Inactive: past, Revoke: future}, true, false, false},
		{"RevokedAndDeleted", Timing{Publish: past, Revoke: past, Delete: past}, false, false, false},
		{"Sync", Timing{Publish: past, Activate: past, SyncPublish: past}, true, true, true},
		{"SyncOver", Timing{Publish: past, Activate: past, SyncPublish: past, SyncDelete: now}, true, true, false},
		{"SyncLater", Timing{Publish: past, Activate: past, SyncPublish: future}, true, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.timing.Published(now); got != test.publish {
				t.Errorf("published %v, want %v", got, test.publish)
			}
			if got := test.timing.Signs(now); got != test.signs {
				t.Errorf("signs %v, want %v", got, test.signs)
			}
			if got := test.timing.SyncPublished(now); got != test.sync {
				t.Errorf("CDS published %v, want %v", got, test.sync)
			}
		})
	}
}
