package jsondoc_test

import "testing"

// What is left out of a hash is neither lost nor left out anywhere below.
func TestCanonicalHashExcept(t *testing.T) {
	without := object(t, `{"b":{"auth":1}}`, false).CanonicalHash()
	o := object(t, `{"auth":"x","b":{"auth":1},"retry":2,"\u0061uth":"y"}`, false)
	if got := o.CanonicalHashExcept("auth", "retry"); got != without {
		t.Errorf("hash %s, want %s", got, without)
	}
	if got := o.String("auth"); got != "y" {
		t.Errorf("auth is %q afterwards, want y", got)
	}
	if got, want := o.CanonicalHashExcept("none"), o.CanonicalHash(); got != want || got == without {
		t.Errorf("hash %s without what is not there, want %s", got, want)
	}
}

func TestCompactExcept(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"auth":"1", "a" : [1, 2],"auth":{"b":2}}`, `{"a":[1,2]}`},
		{`{ "a":{"auth":1}, "b":"x y" }`, `{"a":{"auth":1},"b":"x y"}`},
		{`{"auth":1}`, `{}`},
	} {
		if got := string(object(t, c.in, false).CompactExcept("auth")); got != c.want {
			t.Errorf("%s is %s, want %s", c.in, got, c.want)
		}
	}
}
