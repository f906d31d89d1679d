package state

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// local are the fields of a policy that concern the running server alone.
var local = []string{"Verify", "Strict", "Automatic", "NewKeys", "Workers", "ParentAgents", "MassChange", "Allow"}

// Every field of a policy that is not the server's own comes back from the
// store, and those that are stay as they are. A new field has to be put on one
// side or the other.
func TestPolicy_StoredAndBack(t *testing.T) {
	want := policy.Default()
	v := reflect.ValueOf(&want).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch name := v.Type().Field(i).Name; {
		case name == "Denial":
			want.Denial = policy.Denial{NSEC3: true, OptOut: true, SaltLength: 3, Iterations: 4}
		case slices.Contains(local, name):
		case f.Kind() == reflect.Bool:
			f.SetBool(!f.Bool())
		case f.Type() == reflect.TypeFor[time.Duration]():
			f.SetInt(int64(time.Hour) * int64(i+1))
		case name == "Scheme" || name == "Serial":
			f.SetUint(1)
		case f.CanInt():
			f.SetInt(int64(1000 + i))
		case f.CanUint():
			f.SetUint(uint64(15))
		default:
			t.Fatalf("%s: is it stored?", name)
		}
	}
	base := policy.Default()
	base.Workers, base.Strict = 3, true
	got, err := PolicyOf(want).Over(base)
	if err != nil {
		t.Fatal(err)
	}
	want.Workers, want.Strict = 3, true
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if _, err := (Policy{Scheme: "triple", Serial: "date"}).Over(base); err == nil {
		t.Error("an unknown scheme is taken")
	}
	if _, err := (Policy{Scheme: "csk", Serial: "roman"}).Over(base); err == nil {
		t.Error("an unknown serial scheme is taken")
	}
}
