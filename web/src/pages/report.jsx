import { Shell, carried, show } from '../shared/shell.jsx'
show(<Shell title="carbonwatch">{JSON.stringify(carried())}</Shell>)
