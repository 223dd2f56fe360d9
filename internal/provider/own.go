package provider

import "github.com/postrider/postrider/internal/jsondoc"

// PeekIn returns what String would take of a member of the object called name, and
// takes neither: for objects that say more than there are fields for, and stay whole
// in the metadata.
func PeekIn(o jsondoc.Object, name, member string) string {
	v, there := o.Member(name)
	if !there {
		return ""
	}
	object, _ := v.Object(false)
	return object.Peek(member)
}

// OwnMetadata is what nobody took of an object in which one member is a string of the
// sender's own: where it is a JSON object, its members count by themselves, below all
// others; any other text stays as it is.
func OwnMetadata(o jsondoc.Object, name string) map[string]string {
	doc, ok := o.Embedded(name)
	rest := o.Rest(nil)
	if !ok {
		return rest
	}
	defer doc.Release()
	if own, ok := doc.Root().Object(false); ok {
		return own.Rest(rest)
	}
	if rest == nil {
		rest = make(map[string]string)
	}
	rest[name] = string(doc.Root().Bytes())
	return rest
}
