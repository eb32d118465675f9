// What a page does beyond its links and forms: filters the index while one types, copies samples.
'use strict';

const found = document.getElementById('found');
const search = document.querySelector('input[type=search]');
if (found) {
  const rows = [...document.querySelectorAll('.methods li')];
  search.addEventListener('input', () => {
    const words = search.value.toLowerCase().replaceAll('_', '').split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.dataset.text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    for (const part of document.querySelectorAll('.namespace')) {
      part.hidden = !part.querySelector('li:not([hidden])');
    }
    found.hidden = words.length === 0;
    found.textContent = count === 1 ? '1 method' : `${count} methods`;
  });
}

for (const sample of document.querySelectorAll('.sample')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    const code = sample.querySelector('code');
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      // Over plain http there is no clipboard; what is selected can be copied by hand.
      getSelection().selectAllChildren(code);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  sample.append(button);
}
