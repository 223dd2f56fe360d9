package event

// Route is what decides an event's topic. Topic names are made from it by
// templates; nothing that a provider wrote ever takes part.
type Route struct {
	Direction Direction
	Type      Type
}

// Route returns the event's route.
func (e *Event) Route() Route { return Route{Direction: e.Direction, Type: e.Type} }

// Valid reports whether events of this type exist in this direction.
func (r Route) Valid() bool { return r.Type.Allowed(r.Direction) }

// Routes lists every valid route: outbound first, types in the order of Types.
func Routes() []Route {
	var routes []Route
	for _, d := range []Direction{Outbound, Inbound} {
		for _, t := range Types() {
			if t.Allowed(d) {
				routes = append(routes, Route{Direction: d, Type: t})
			}
		}
	}
	return routes
}
