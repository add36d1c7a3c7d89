<?php
// Plugin Name: Second
// Version: 2.0
