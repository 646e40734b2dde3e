// Questions to the server that a page came from.

/** What it answers; an Error with its words where it can't. */
export async function ask(question, words = {}) {
  return answered(await fetch(`api/${question}?${asWords(words)}`))
}

/** Sends a file, for the server to read. */
export async function send(question, file) {
  return answered(await fetch(`api/${question}?${asWords({ name: file.name })}`, { method: 'POST', body: file }))
}

async function answered(response) {
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error)
  return answer
}

const asWords = words => new URLSearchParams(Object.entries(words).filter(([, value]) => value != null && value !== ''))
