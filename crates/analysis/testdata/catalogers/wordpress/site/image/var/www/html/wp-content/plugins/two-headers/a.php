<?php
# Plugin Name: First
# Version: 1.0
