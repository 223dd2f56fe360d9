// Package all is the one list of the providers that are built in. A new
// provider is a folder beside this one and one line here.
package all

import (
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/cmcom"
	"github.com/postrider/postrider/internal/provider/jetemail"
	"github.com/postrider/postrider/internal/provider/vfs"
)

// Definitions returns the built-in providers in the order in which they are shown.
func Definitions() []provider.Definition {
	return []provider.Definition{
		vfs.Definition(),
		cmcom.Definition(),
		jetemail.Definition(),
	}
}

// Lookup returns the provider with this id.
func Lookup(id string) (provider.Definition, bool) {
	for _, d := range Definitions() {
		if d.ID == id {
			return d, true
		}
	}
	return provider.Definition{}, false
}
