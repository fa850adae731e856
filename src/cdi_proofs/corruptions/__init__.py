"""What goes wrong with source files, as small functions: each spoils the newest file of a delivery.

One module for each thing that is spoiled, over `model`, which knows how a file is read and written.
`cdi_proofs.corruption_trial` applies each corruption to the files of two agencies and says what
became of it. A corruption is written once, in the landing's own names for columns: `agency.yaml`
says what an agency calls them, and whether it has them at all.
"""

from cdi_proofs.corruptions import codes, columns, files, numbers, rows, texts, times, values
from cdi_proofs.corruptions.model import registered_in

# in the order in which a file is read: its bytes first, its texts last
CORRUPTIONS = [
    corruption
    for module in (files, columns, times, rows, numbers, codes, values, texts)
    for corruption in registered_in(module.__name__)
]
